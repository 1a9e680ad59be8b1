// Runs before every npm script of this project: makes a fresh clone ready, and does nothing (and
// needs no network) when it is ready already. `--build` also builds dist/ when it is stale.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hydrateSymlinks, installLocked, nodeTooOld, staleReason } from './install.mjs';
import { fingerprint, STAMP } from './sources.mjs';

const HELP = `Usage: node local/setup.mjs [--build]

Installs the locked dependencies when they are missing or stale.
  --build   also build dist/ when the sources are newer
  --help    show this`;

function fail(sentence) {
  console.error(`taximeter: ${sentence}`);
  process.exit(1);
}

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(HELP);
  process.exit(0);
}
const unknown = args.find((arg) => arg !== '--build');
if (unknown) fail(`"${unknown}" is not a flag of this command; see --help.`);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tooOld = nodeTooOld(process.versions.node);
if (tooOld) fail(tooOld);

const stale = staleReason(root);
if (stale) {
  console.log(`taximeter: installing the locked dependencies (${stale}) ...`);
  const failure = installLocked(root);
  if (failure) fail(failure);
}
hydrateSymlinks(root);

if (args.includes('--build')) {
  const stamp = join(root, STAMP);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== fingerprint(root)) {
    const result = spawnSync(process.execPath, [join(root, 'local/build.mjs')], {
      stdio: 'inherit',
    });
    if (result.status !== 0) process.exit(1);
  }
}
