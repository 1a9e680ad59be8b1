import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { PostgresUser } from './postgres-user.ts';
import { processIdentity } from './process-identity.mjs';

const ORPHAN_PATIENCE_MS = 10_000;
const POLL_MS = 50;
const run = promisify(execFile);

/** The superuser's password, made with the folder and kept in it for its owner alone. */
export function readSecret(user: PostgresUser): string {
  const path = join(user.dataDir, 'password');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  if (existsSync(join(user.dataDir, 'data'))) {
    throw new Error(
      `${path} is missing, and without it the data beside it can't be opened. ` +
        `Put it back, or delete ${user.dataDir} to start afresh.`,
    );
  }
  const secret = randomBytes(24).toString('hex');
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  if (user.uid !== undefined) chownSync(path, user.uid, user.gid ?? user.uid);
  return secret;
}

/** Makes the database cluster in `data`, once. A half-made one is thrown away, never used. */
export async function makeCluster(user: PostgresUser): Promise<void> {
  const data = join(user.dataDir, 'data');
  if (existsSync(join(data, 'PG_VERSION'))) return;
  const part = join(user.dataDir, 'data.part');
  rmSync(part, { recursive: true, force: true });
  const command = [...user.prefix, join(user.binaries, 'bin/initdb')];
  const settings = {
    pgdata: part,
    username: 'postgres',
    pwfile: join(user.dataDir, 'password'),
    auth: 'scram-sha-256',
    encoding: 'UTF8',
    // Built in: sorts alike on every machine, whatever locales it has.
    locale: 'C',
    'locale-provider': 'builtin',
    'builtin-locale': 'C.UTF-8',
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  try {
    await run(command[0]!, [...command.slice(1), ...args], {
      cwd: user.dataDir,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.gid === undefined ? {} : { gid: user.gid }),
    });
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    const words = ((error as { stderr?: string }).stderr ?? String(error)).trim();
    throw new Error(`Postgres could not make its data folder in ${user.dataDir}:\n${words}`);
  }
  renameSync(part, data);
}

function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/**
 * Clears what a killed Postgres left in its folder. Its lock file names a process number, which by
 * now may be anybody's: only a Postgres on this very folder is ended, a stale file is removed.
 */
export async function clearStaleLock(user: PostgresUser): Promise<void> {
  const data = join(user.dataDir, 'data');
  const lock = join(data, 'postmaster.pid');
  if (!existsSync(lock)) return;
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0]);
  const identity = pid > 0 ? processIdentity(pid) : null;
  if (identity !== null && commandOf(pid).includes(data)) {
    process.kill(pid, 'SIGINT');
    const deadline = performance.now() + ORPHAN_PATIENCE_MS;
    while (processIdentity(pid) === identity && performance.now() < deadline) await sleep(POLL_MS);
    if (processIdentity(pid) === identity) process.kill(pid, 'SIGKILL');
  }
  rmSync(lock, { force: true });
}
