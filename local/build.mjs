// `npm run build`: compiles to dist/ and copies what is not TypeScript, keeping paths. The new
// build is made beside the old one and takes its place only when it is whole.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assetFiles, fingerprint, STAMP } from './sources.mjs';

const HELP = `Usage: npm run build

Compiles the project to dist/ and copies scripts, migrations and pages beside it.
  --help   show this`;

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(HELP);
  process.exit(0);
}
if (args[0] !== undefined) {
  console.error(`taximeter: "${args[0]}" is not a flag of this command; see --help.`);
  process.exit(1);
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const building = join(root, `dist.building-${process.pid}`);
const startedAt = Date.now();
console.log('taximeter: building dist/ ...');

// Taken first: a file written while we compile makes this build stale, not silently fresh.
const print = fingerprint(root);
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const compiled = spawnSync(
  process.execPath,
  [compiler, '-p', 'tsconfig.build.json', '--outDir', building],
  { cwd: root, stdio: 'inherit' },
);
if (compiled.status !== 0) {
  rmSync(building, { recursive: true, force: true });
  console.error('taximeter: the build failed, the compiler says why above. dist/ is unchanged.');
  process.exit(1);
}
for (const asset of assetFiles(root)) {
  const target = join(building, asset);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, asset), target);
}
writeFileSync(join(building, basename(STAMP)), print);

const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
renameSync(building, dist);
console.log(`taximeter: built dist/ in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
