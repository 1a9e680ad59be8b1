/**
 * Where mutations are tried: a copy of the project for each, and never the project itself. It is
 * copied once; the others are links to that copy, and only the file that is changed is written anew.
 */
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutation } from './mutation.ts';

const FOLDERS = ['core', 'gateway', 'worker', 'drizzle', 'local', 'client', 'payments'];
const FILES = ['package.json', 'package-lock.json', 'tsconfig.json'];
/** The project as it is, in which every test must be green. */
export const UNCHANGED = 'unchanged';
/** A test that a mutation makes wait for ever is red, too; it need not take long. */
const TEST_TIMEOUT_MS = 20_000;

export interface Workplace {
  folder: string;
  configFile: string;
  /** of a file in one of the copies: which copy, and its path in the project */
  placeOf(path: string): { name: string; file: string } | null;
}

function fill(target: string, root: string, put: (from: string, to: string) => void): void {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  );
  for (const file of [...FILES, ...files]) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    put(join(root, file), join(target, file));
  }
}

/** @param folder within the project, ignored by git: links do not reach other file systems */
export function makeWorkplace(
  root: string,
  folder: string,
  mutations: readonly Mutation[],
  workers: number,
): Workplace {
  const placeOf = (name: string) => join(folder, name);
  const tests = [...new Set(mutations.flatMap((mutation) => mutation.tests))];
  // A copy: who edits the project meanwhile must not change what is being tried.
  fill(placeOf(UNCHANGED), root, copyFileSync);
  for (const { name, file, text, replacement } of mutations) {
    fill(placeOf(name), placeOf(UNCHANGED), linkSync);
    const path = join(placeOf(name), file);
    // A link: taken away first, or all the copies would change.
    rmSync(path);
    writeFileSync(
      path,
      readFileSync(join(placeOf(UNCHANGED), file), 'utf8')
        .split(text)
        .join(replacement),
    );
  }
  const project = (name: string, include: readonly string[]) => ({
    root: placeOf(name),
    test: {
      ...{ name, include, environment: 'node', pool: 'forks' },
      ...{ testTimeout: TEST_TIMEOUT_MS, hookTimeout: 60_000 },
    },
  });
  const config = {
    root: folder,
    test: {
      globalSetup: [join(root, 'local/test-stores.ts')],
      ...{ pool: 'forks', maxWorkers: workers, teardownTimeout: 10_000 },
      projects: [
        project(UNCHANGED, tests),
        ...mutations.map((mutation) => project(mutation.name, mutation.tests)),
      ],
    },
  };
  const configFile = join(folder, 'vitest.config.mjs');
  const vitest = pathToFileURL(join(root, 'node_modules/vitest/dist/config.js')).href;
  writeFileSync(
    configFile,
    `import { defineConfig } from '${vitest}';\nexport default defineConfig(${JSON.stringify(config)});\n`,
  );
  return {
    ...{ folder, configFile },
    placeOf(path) {
      const [name = '', ...rest] = relative(folder, path).split(/[\\/]/);
      return name === '..' || rest.length === 0 ? null : { name, file: rest.join('/') };
    },
  };
}
