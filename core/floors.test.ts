/**
 * No dependency below the version that mended a hole: neither what package.json asks for, nor what is
 * locked anywhere in the tree, nor what is installed. (core/house.test.ts holds the lock alone.)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** Each with what was wrong before it. */
const FLOORS: Readonly<Record<string, readonly [version: string, why: string]>> = {
  ws: ['8.23.0', 'memory held by fragments and buffered chunks without a bound'],
  'drizzle-orm': ['0.45.2', 'identifiers that were not escaped: SQL injection'],
  hono: ['4.11.4', 'a body limit that could be passed by; JWT algorithms mixed up'],
  '@hono/node-server': ['1.19.10', 'static files served past a guard by encoded slashes'],
  jose: ['4.15.5', 'a compressed token that fills the memory'],
  postgres: ['3.4.0', 'no hole known: the oldest that was tried here'],
  msgpackr: ['1.10.1', 'a message that loops for ever'],
  luxon: ['3.2.1', 'a date that takes quadratic time'],
  semver: ['7.5.2', 'a range that takes quadratic time'],
  debug: ['4.3.1', 'a format that takes quadratic time'],
  'socket.io-parser': ['4.2.3', 'a packet that ends the process'],
  'engine.io': ['6.4.2', 'a request that ends the process'],
  cookie: ['0.7.0', 'names that were not checked'],
  esbuild: ['0.25.0', 'a development server that any page may read'],
  vite: ['7.1.11', 'files served that were denied'],
  vitest: ['3.0.5', 'an API that any page may have commands run by'],
  nanoid: ['3.3.8', 'ids that could be foretold'],
};
/** That a release was tampered with: never this one. */
const NEVER: Readonly<Record<string, string>> = { debug: '4.4.2' };

interface Manifest {
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}
const read = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

/** Below 0: `a` is the older one. A version before a release counts as older than it. */
function compare(a: string, b: string): number {
  const [numbers, others] = [a, b].map((it) => it.split('-')[0]!.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (numbers![i] ?? 0) - (others![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(!a.includes('-')) - Number(!b.includes('-'));
}

function faultOf(name: string, version: string): string | null {
  const [floor, why] = FLOORS[name]!;
  if (NEVER[name] === version) return `${name} ${version} was tampered with`;
  return compare(version, floor) < 0 ? `${name} ${version} is below ${floor}: ${why}` : null;
}

const manifest: Manifest = read('package.json');
const locked: Record<string, Manifest> = read('package-lock.json').packages;
const nameOf = (place: string) => place.slice(place.lastIndexOf('node_modules/') + 13);
const places = Object.keys(locked).filter((place) => nameOf(place) in FLOORS);

it('tells an old version from a new one', () => {
  expect(faultOf('ws', '8.22.9')).toContain('below 8.23.0');
  expect(faultOf('ws', '8.23.0-beta.1')).toContain('below 8.23.0');
  expect(faultOf('debug', '4.4.2')).toContain('tampered');
  for (const version of ['8.23.0', '8.100.0', '9.0.0']) expect(faultOf('ws', version)).toBeNull();
});

it('package.json asks for exact versions, none below its floor', () => {
  const asked = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const [name, version] of Object.entries(asked)) {
    if (version.startsWith('npm:')) continue;
    expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
    if (name in FLOORS) expect(faultOf(name, version)).toBeNull();
  }
  expect(Object.keys(asked)).toEqual(expect.arrayContaining(['ws', 'drizzle-orm', 'hono', 'jose']));
});

it('package-lock.json has none below its floor, wherever it is needed', () => {
  const names = new Set(places.map(nameOf));
  expect(places.map((place) => faultOf(nameOf(place), locked[place]!.version!))).toEqual(
    places.map(() => null),
  );
  // Else its floor says nothing of anything.
  expect(Object.keys(FLOORS).filter((name) => !names.has(name))).toEqual([]);
});

it('what is installed is what is locked', () => {
  for (const place of places) {
    const installed: Manifest = read(`${place}/package.json`);
    expect(faultOf(nameOf(place), installed.version!), place).toBeNull();
    expect(installed.version, place).toBe(locked[place]!.version);
  }
});
