import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { downloadRedis, libraryFolders } from './redis-download.ts';

/** Where a Redis server is, and what its process needs to find its libraries. */
export interface RedisServer {
  path: string;
  env: NodeJS.ProcessEnv;
  version: string;
}

const MINIMUM_VERSION = [6, 2] as const;
const NAMES = ['redis-server', 'valkey-server'];

/** The version of the server at `path`, or null when it does not run. */
function versionOf(path: string, env: NodeJS.ProcessEnv): string | null {
  try {
    const out = execFileSync(path, ['--version'], { env, encoding: 'utf8', stdio: 'pipe' });
    return /v=(\d+\.\d+\.\d+)/.exec(out)?.[1] ?? null;
  } catch {
    return null;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = MINIMUM_VERSION;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** The command that installs Redis on this system, for the message when we can't. */
export function installCommand(has: (command: string) => boolean = isOnPath): string {
  if (has('brew')) return 'brew install redis';
  if (has('apt-get')) return 'sudo apt-get update && sudo apt-get install -y redis-server';
  if (has('dnf')) return 'sudo dnf install -y valkey';
  if (has('yum')) return 'sudo yum install -y redis';
  if (has('pacman')) return 'sudo pacman -S valkey';
  if (has('zypper')) return 'sudo zypper install -y redis';
  if (has('apk')) return 'sudo apk add redis';
  if (process.platform === 'darwin') {
    return 'brew install redis (Homebrew itself is at https://brew.sh)';
  }
  return 'the install command of your system for Redis';
}

function onPath(name: string, path = process.env.PATH ?? ''): string | null {
  for (const folder of path.split(delimiter)) {
    if (folder !== '' && existsSync(join(folder, name))) return join(folder, name);
  }
  return null;
}

export function isOnPath(command: string): boolean {
  return onPath(command) !== null;
}

/** The copy an earlier run unpacked under `toolsFolder`, ready to run, or null. */
function unpackedServer(toolsFolder: string): RedisServer | null {
  const path = join(toolsFolder, 'redis/usr/bin/redis-server');
  if (!existsSync(path)) return null;
  const inherited = process.env.LD_LIBRARY_PATH;
  const libraries = [
    ...libraryFolders(join(toolsFolder, 'redis')),
    ...(inherited ? [inherited] : []),
  ].join(delimiter);
  // An empty list would mean the working folder to the loader.
  const env = libraries === '' ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries };
  const version = versionOf(path, env);
  return version !== null && isNewEnough(version) ? { path, env, version } : null;
}

/**
 * Finds a server, in this order: the PATH, a copy under `toolsFolder`, a download by apt into
 * `toolsFolder` (Debian and Ubuntu; no root, no service). `say` hears about the download.
 * @throws Error with the exact command for this system when there is none.
 */
export async function findRedisServer(
  toolsFolder: string,
  say: (line: string) => void,
): Promise<RedisServer> {
  const problems: string[] = [];
  for (const name of NAMES) {
    const path = onPath(name);
    if (path === null) continue;
    const version = versionOf(path, process.env);
    if (version !== null && isNewEnough(version)) return { path, env: process.env, version };
    problems.push(`${path} is version ${version ?? 'unknown'}, and 6.2 or newer is needed.`);
  }
  const unpacked = unpackedServer(toolsFolder);
  if (unpacked !== null) return unpacked;
  if (isOnPath('apt-get') && isOnPath('dpkg')) {
    try {
      say('no redis-server on the PATH: downloading the one of this system with apt-get ...');
      await downloadRedis(join(toolsFolder, 'redis'));
      const downloaded = unpackedServer(toolsFolder);
      if (downloaded !== null) return downloaded;
      problems.push('The one apt-get downloaded does not run here or is older than 6.2.');
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(
    ['No Redis server was found.', ...problems].join(' ') +
      ` Install one with: ${installCommand()} - or name your own in REDIS_URL.`,
  );
}
