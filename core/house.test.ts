/**
 * The rules of ARCHITECTURE.md and CONTRIBUTING.md that a machine can hold. Each is a function from
 * the project's files to sentences saying what is wrong and what to do; each is also run on a small
 * example that breaks it, since a rule that can't fail holds nothing.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDERS = [
  ...['core', 'gateway', 'worker', 'client', 'server', 'drizzle', 'payments', 'loadtest'],
  ...['local', 'tools'],
];
const MAXIMUM_LINES = 300;

interface Source {
  path: string;
  text: string;
}

interface Rule {
  title: string;
  /** Sentences; none when the rule is kept. */
  check: (sources: readonly Source[]) => string[];
  /** The smallest project that breaks it. */
  broken: readonly Source[];
}

const isTest = (path: string) => /\.test\.tsx?$|(^|\/)test-[\w-]+\.ts$|\/testing\//.test(path);
const isCode = (path: string) => /\.tsx?$|\.mjs$/.test(path) && !path.endsWith('.d.mts');
const source = (path: string, text: string): Source => ({ path, text });

/** What a file imports, types included: `node:fs`, `zod`, or a path from the root. */
function importsOf({ path, text }: Source): string[] {
  const patterns = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]/g,
  ];
  const names = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((it) => it[1]!));
  return names.map((name) =>
    name.startsWith('.') ? normalize(join(dirname(path), name)).replaceAll('\\', '/') : name,
  );
}

const isOwn = (name: string) => FOLDERS.some((folder) => name.startsWith(`${folder}/`));

/** Who may import from where; the longest matching folder decides, and may always import itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'core/protocol': [],
  core: ['core'],
  client: ['core/protocol'],
  // Runs in other people's backends.
  server: ['core/protocol'],
  'gateway/transport': ['core/protocol', 'core/runtime'],
  gateway: ['core', 'drizzle', 'payments'],
  worker: ['core', 'drizzle', 'payments'],
  // What Stripe says and what we ask of it.
  payments: ['core', 'drizzle'],
  drizzle: ['core'],
  loadtest: ['core', 'client', 'drizzle'],
  // Starts the product and its peers side by side, and measures them.
  'loadtest/bench': ['core', 'client', 'drizzle', 'local', 'loadtest'],
  // Starts the product, and whatever it stands on, to take it away again.
  'loadtest/chaos': ['core', 'client', 'drizzle', 'local', 'loadtest'],
  // Starts the product as `npm start` does.
  'loadtest/product': ['drizzle', 'local'],
  local: ['core', 'drizzle'],
  tools: ['core', 'drizzle', 'worker/ledger'],
};

function arrowAllowed(from: string, to: string): boolean {
  // Any test may start real stores.
  if (isTest(from) && to.startsWith('local/test-')) return true;
  const within = (folder: string) => to.startsWith(`${folder}/`);
  const home = Object.keys(ARROWS)
    .filter((folder) => from.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];
  if (home === undefined) return true;
  const jobs = 'worker/jobs/';
  if (from.startsWith(jobs) && to.startsWith(jobs) && !isTest(from)) return false;
  return within(home) || ARROWS[home]!.some(within);
}

function checkArrows(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => isCode(path))
    .flatMap((file) =>
      importsOf(file)
        .filter((name) => isOwn(name) && !arrowAllowed(file.path, name))
        .map(
          (name) => `${file.path} imports ${name}: turn the arrow, or move what both need to core`,
        ),
    );
}

function checkPackages(sources: readonly Source[]): string[] {
  const free = sources.filter(
    ({ path }) => /^(client|core\/protocol)\//.test(path) && isCode(path) && !isTest(path),
  );
  return free.flatMap((file) =>
    importsOf(file)
      .filter((name) => !isOwn(name))
      .filter((name) => !(file.path.startsWith('client/react/') && /^react(-dom)?\b/.test(name)))
      .filter((name) => !(file.path.startsWith('client/server/') && name.startsWith('node:')))
      .map((name) => `${file.path} imports "${name}": it must run in any browser without packages`),
  );
}

/** Types of the framework a file is for, and nothing that would have to be installed. */
function checkServerPackages(sources: readonly Source[]): string[] {
  const frameworks: Readonly<Record<string, string>> = {
    'server/express.ts': 'express',
    'server/hono.ts': 'hono',
  };
  return sources
    .filter(({ path }) => path.startsWith('server/') && isCode(path) && !isTest(path))
    .flatMap(({ path, text }) => {
      const framework = frameworks[path];
      const typed = new RegExp(`^import type [^;]* from '${framework}';$`, 'gm');
      const rest = framework === undefined ? text : text.replace(typed, '');
      return importsOf({ path, text: rest })
        .filter((name) => !isOwn(name))
        .map((name) => `${path} imports "${name}": it must run on any edge, with fetch alone`);
    });
}

function checkCircles(sources: readonly Source[]): string[] {
  const graph = new Map(
    sources.filter((it) => isCode(it.path)).map((it) => [it.path, importsOf(it)]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  function visit(path: string, trail: readonly string[]): void {
    const at = trail.indexOf(path);
    if (at !== -1) {
      const circle = [...trail.slice(at), path].join(' -> ');
      circles.push(`${circle}: move what both need into a file of its own`);
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) if (graph.has(next)) visit(next, [...trail, path]);
    done.add(path);
  }
  for (const path of graph.keys()) visit(path, []);
  return circles;
}

function checkLengths(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => /\.(tsx?|mjs|lua|css)$/.test(path) && !isTest(path))
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > MAXIMUM_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines (${MAXIMUM_LINES}): it is two things`);
}

function checkNames(sources: readonly Source[]): string[] {
  const banned = /(^|[-/.])(utils?|helpers?|managers?|services?|common)(?=[-/.]|$)/;
  const declared =
    /\b(?:class|interface|type|function|const)\s+(\w*(?:Utils?|Helpers?|Managers?|Services?))\b/g;
  return sources.flatMap(({ path, text }) => {
    const found: string[] = [];
    if (banned.test(path)) found.push(`${path}: say what it is; this name fits anything`);
    const file = path.slice(path.lastIndexOf('/') + 1);
    if (isCode(path) && !/^[a-z0-9.-]+$/.test(file)) found.push(`${path}: lower-case-with-hyphens`);
    if (!isCode(path) || path === 'core/house.test.ts') return found;
    const names = [...text.matchAll(declared)].map((it) => it[1]);
    return [...found, ...names.map((it) => `${path} declares ${it}: say what it is`)];
  });
}

/** A rule that a text must not appear in the files it concerns. */
function never(concerns: (path: string) => boolean, pattern: RegExp, why: string) {
  return (sources: readonly Source[]) =>
    sources
      .filter(({ path }) => concerns(path) && path !== 'core/house.test.ts')
      .flatMap(({ path, text }) => {
        const at = text.search(pattern);
        if (at === -1) return [];
        return [`${path}:${text.slice(0, at).split('\n').length} ${why}`];
      });
}

function checkScriptHeaders(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => /^core\/meter\/scripts\/.*\.lua$/.test(path))
    .flatMap(({ path, text }) => {
      const header = /^(?:--\[\[[\s\S]*?\]\]|(?:\s*--.*\n)+)/.exec(text)?.[0] ?? '';
      if (header === '') return [`${path} has no comment at its head: say what it does`];
      if (path.includes('/include/')) return [];
      return ['KEYS', 'ARGV', 'Returns']
        .filter((word) => !header.includes(word) && (word === 'Returns' || text.includes(word)))
        .map((word) => `${path}: its head does not list ${word}`);
    });
}

const FLOORS = { ws: [8, 23, 0], 'drizzle-orm': [0, 45, 2] } as const;

function checkFloors(sources: readonly Source[]): string[] {
  const lock = sources.find(({ path }) => path === 'package-lock.json');
  const packages: Record<string, { version?: string }> =
    JSON.parse(lock?.text ?? '{}').packages ?? {};
  return Object.entries(FLOORS).flatMap(([name, floor]) => {
    const places = Object.keys(packages).filter((path) => path.endsWith(`node_modules/${name}`));
    if (places.length === 0) return [`${name} is not in package-lock.json`];
    return places.flatMap((place) => {
      const version = packages[place]?.version ?? '0.0.0';
      const parts = version.split('.').map(Number.parseFloat);
      const difference = floor.map((it, i) => (parts[i] ?? 0) - it).find((it) => it !== 0) ?? 0;
      return difference < 0 ? [`${place} is ${version}: not safe before ${floor.join('.')}`] : [];
    });
  });
}

const readsEnvironment = (path: string) =>
  /(^|\/)main\.ts$|^core\/runtime\/env\.ts$|^local\/|^tools\/|^loadtest\/run\.ts$/.test(path);
const namesKeys = (path: string) =>
  /^core\/meter\/(keys\.ts|scripts\/include\/keys\.lua)$/.test(path);

const RULES: readonly Rule[] = [
  {
    title: 'imports follow the arrows between folders',
    check: checkArrows,
    broken: [source('worker/a.ts', "import type { Hub } from '../gateway/hub.ts';")],
  },
  {
    title: 'no job imports another job',
    check: checkArrows,
    broken: [source('worker/jobs/a.ts', "import { settle } from './settle.ts';")],
  },
  {
    title: 'the protocol and the client need no package',
    check: checkPackages,
    broken: [source('client/socket.ts', "import { WebSocket } from 'ws';")],
  },
  {
    title: 'the backend library needs no package',
    check: checkServerPackages,
    broken: [source('server/express.ts', "import express from 'express';")],
  },
  {
    title: 'the backend library knows nothing of what it calls',
    check: checkArrows,
    broken: [source('server/a.ts', "import type { Meter } from '../core/meter/commands.ts';")],
  },
  {
    title: 'there are no circles, types included',
    check: checkCircles,
    broken: [
      source('gateway/a.ts', "import type { B } from './b.ts';"),
      source('gateway/b.ts', "export type { A } from './a.ts';"),
    ],
  },
  {
    title: `no file is longer than ${MAXIMUM_LINES} lines`,
    check: checkLengths,
    broken: [source('core/meter/long.lua', '-- line\n'.repeat(MAXIMUM_LINES + 1))],
  },
  {
    title: 'names say what a thing is',
    check: checkNames,
    broken: [source('core/calendar/date-utils.ts', ''), source('a.ts', 'class HubManager {}')],
  },
  {
    title: 'there is no enum',
    check: never(
      isCode,
      /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w/m,
      'use "as const"',
    ),
    broken: [source('core/a.ts', 'export enum State { live }')],
  },
  {
    title: 'nothing but the client re-exports whole files',
    check: never(
      (it) => isCode(it) && it !== 'client/index.ts',
      /^export \*/m,
      'name what is meant',
    ),
    broken: [source('core/jobs/index.ts', "export * from './ids.ts';")],
  },
  {
    title: 'every meter script says what it takes and returns',
    check: checkScriptHeaders,
    broken: [source('core/meter/scripts/open.lua', '-- KEYS 1 head\n-- ARGV 1 now\nreturn 1')],
  },
  {
    title: 'only main files read the environment',
    check: never(
      (it) => isCode(it) && !isTest(it) && !readsEnvironment(it),
      /\bprocess\.env\b/,
      'reads the environment: take the value as an argument',
    ),
    broken: [source('gateway/hub.ts', 'const url = process.env.REDIS_URL;')],
  },
  {
    title: "the meter's keys are born in one file",
    check: never(
      (it) => (isCode(it) || it.endsWith('.lua')) && !isTest(it) && !namesKeys(it),
      /['"`]tm:|:\{\$\{|^(?!\s*--).*\.\.\s*['"]:\w/m,
      'makes a key: ask core/meter/keys.ts (in a script, include/keys.lua)',
    ),
    broken: [source('gateway/hub.ts', 'const key = `x:{$' + '{shard}}:head`;')],
  },
  {
    title: 'no test is run alone',
    check: never(isTest, /\b(?:it|describe|test)\.only\b/, 'leaves all other tests out'),
    broken: [source('core/a.test.ts', "it.only('a', () => {});")],
  },
  {
    title: 'dependencies with known holes are not below their floor',
    check: checkFloors,
    broken: [
      source(
        'package-lock.json',
        '{"packages":{"node_modules/ws":{"version":"8.22.9"},"node_modules/drizzle-orm":{"version":"0.45.2"}}}',
      ),
    ],
  },
];

function readSources(): Source[] {
  const folders = FOLDERS.filter((folder) => existsSync(join(ROOT, folder)));
  const paths = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
  );
  return [...paths, 'package-lock.json'].map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }));
}

describe('the house', () => {
  const sources = readSources();

  it('is read at all', () => {
    expect(sources.length).toBeGreaterThan(FOLDERS.length);
    expect(importsOf(source('core/a.ts', "import {\n  b,\n} from './b.ts';"))).toEqual([
      'core/b.ts',
    ]);
  });

  for (const rule of RULES) {
    it(rule.title, () => {
      expect(rule.check(sources)).toEqual([]);
    });
    it(`would see that it is broken: ${rule.title}`, () => {
      expect(rule.check(rule.broken).length).toBeGreaterThanOrEqual(1);
    });
  }
});
