import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Always there, and harmful when mixed with the system's own. */
const NEVER_UNPACKED = new Set(['libc6', 'libgcc-s1', 'adduser', 'init-system-helpers']);
/** redis-tools needs libraries, which may need libraries; deeper has never been seen. */
const DEPENDENCY_ROUNDS = 3;

/** Folders with shared libraries in an unpacked tree. */
export function libraryFolders(tree: string): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true });
    if (entries.some((entry) => entry.name.includes('.so'))) found.push(folder);
    for (const entry of entries) if (entry.isDirectory()) visit(join(folder, entry.name));
  };
  for (const name of ['lib', 'usr/lib']) if (existsSync(join(tree, name))) visit(join(tree, name));
  return found;
}

async function missingLibraries(tree: string): Promise<boolean> {
  const env = { ...process.env, LD_LIBRARY_PATH: libraryFolders(tree).join(':') };
  const { stdout } = await run('ldd', [join(tree, 'usr/bin/redis-check-rdb')], { env });
  return stdout.includes('not found');
}

async function dependenciesOf(packages: readonly string[]): Promise<string[]> {
  const { stdout } = await run('apt-cache', ['depends', '--important', ...packages]);
  const names = [...stdout.matchAll(/^\s+\|?(?:Pre)?Depends: ([a-z0-9.+-]+)$/gm)];
  return names.map((match) => match[1]!).filter((name) => !NEVER_UNPACKED.has(name));
}

async function download(packages: readonly string[], folder: string, tree: string): Promise<void> {
  const seen = new Set(readdirSync(folder));
  await run('apt-get', ['download', '-q', ...packages], { cwd: folder });
  for (const file of readdirSync(folder)) {
    if (!seen.has(file) && file.endsWith('.deb')) {
      await run('dpkg', ['-x', join(folder, file), tree]);
    }
  }
}

/** Downloads what can be had of `packages`; of alternatives (libelogind0), some can't. */
async function downloadEach(packages: Iterable<string>, folder: string, tree: string) {
  for (const name of packages) await download([name], folder, tree).catch(() => {});
}

function explain(error: unknown): Error {
  const words = (error as { stderr?: string }).stderr?.match(/^E: (.*)$/m)?.[1];
  return new Error(
    `"apt-get download redis-server redis-tools" failed${words ? ` (${words})` : ''}: ` +
      'the first run needs the network and up-to-date package lists ("sudo apt-get update").',
  );
}

/**
 * Unpacks the distribution's Redis, with the libraries this machine lacks, into `target`. Needs no
 * root and starts no service. As root with empty package lists, fetches the lists first.
 */
export async function downloadRedis(target: string): Promise<void> {
  const work = `${target}.part-${process.pid}`;
  const tree = join(work, 'tree');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  mkdirSync(dirname(target), { recursive: true });
  try {
    const packages = ['redis-server', 'redis-tools'];
    await download(packages, work, tree).catch(async (error: unknown) => {
      if (process.getuid?.() !== 0) throw error;
      await run('apt-get', ['update', '-q']);
      await download(packages, work, tree);
    });
    const tried = new Set(packages);
    let round = packages;
    for (let depth = 0; depth < DEPENDENCY_ROUNDS && (await missingLibraries(tree)); depth += 1) {
      round = (await dependenciesOf(round)).filter((name) => !tried.has(name));
      for (const name of round) tried.add(name);
      await downloadEach(round, work, tree);
    }
    // What was there did not run, or we would not be here. In one step: another run beside us sees a
    // whole tree or none.
    rmSync(target, { recursive: true, force: true });
    renameSync(tree, target);
  } catch (error) {
    throw explain(error);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
