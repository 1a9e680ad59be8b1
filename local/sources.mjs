// What a build is made of: the files that go into dist/, and a fingerprint of all of them.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';

const SOURCE_FOLDERS = [
  'core',
  'gateway',
  'worker',
  'client',
  'server',
  'drizzle',
  'payments',
  'loadtest',
  'local',
  'tools',
];
const BUILD_FILES = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

/** Copied as they are. Everything else that is not TypeScript stays where it is. */
const ASSET_EXTENSIONS = new Set([
  '.lua',
  '.sql',
  '.json',
  '.html',
  '.css',
  '.svg',
  '.png',
  '.ico',
  '.woff2',
  '.wasm',
  '.mjs',
  // Declarations of what is made, as server/api.d.mts: the compiler copies none.
  '.mts',
]);

function walk(folder, found) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) walk(path, found);
    else found.push(path);
  }
}

/** Every file of the source folders, relative to the root, with `/`, sorted. */
export function sourceFiles(root) {
  const found = [];
  for (const folder of SOURCE_FOLDERS) {
    if (existsSync(join(root, folder))) walk(join(root, folder), found);
  }
  return found.map((path) => relative(root, path).split(sep).join('/')).sort();
}

export function assetFiles(root) {
  return sourceFiles(root).filter((path) => ASSET_EXTENSIONS.has(extname(path)));
}

/** Changes when any source file is added, removed or written. Reads no contents: it is asked often. */
export function fingerprint(root) {
  const hash = createHash('sha256');
  for (const path of [...BUILD_FILES, ...sourceFiles(root)]) {
    const { size, mtimeMs } = statSync(join(root, path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** Where the fingerprint of the last whole build is kept. */
export const STAMP = 'dist/.fingerprint';
