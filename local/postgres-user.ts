import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Postgres refuses to run as root. As whom it runs, and where its binaries and data are then.
 * `prefix` goes before the command; `uid` and `gid` are the process's own when another user runs it.
 */
export interface PostgresUser {
  prefix: readonly string[];
  uid?: number;
  gid?: number;
  binaries: string;
  dataDir: string;
}

const MAPPED = ['unshare', '--user', '--map-user=1000', '--map-group=1000'];

/** Whether this kernel and container let root pose as a plain user in a namespace of its own. */
function canMapUser(): boolean {
  try {
    execFileSync(MAPPED[0]!, [...MAPPED.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function idOfNobody(flag: '-u' | '-g'): number {
  const id = Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }).trim());
  // macOS says -2, which the system calls take as an unsigned number.
  return id < 0 ? id + 2 ** 32 : id;
}

/** Copies the binaries where user `nobody` can read them, even when the clone is closed to others. */
function asNobody(binaries: string, dataDir: string, say: (line: string) => void): PostgresUser {
  const uid = idOfNobody('-u');
  const gid = idOfNobody('-g');
  const digest = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  const home = join('/var/tmp', `taximeter-${digest}`);
  const copy = join(home, 'native');
  if (!existsSync(join(copy, 'bin/postgres'))) {
    say(`Postgres may not run as root here: user "nobody" runs it, its data are in ${home}`);
    cpSync(binaries, copy, { recursive: true, verbatimSymlinks: true });
  }
  const data = join(home, 'postgres');
  mkdirSync(data, { recursive: true });
  chmodSync(home, 0o755);
  chownSync(data, uid, gid);
  return { prefix: [], uid, gid, binaries: copy, dataDir: data };
}

/**
 * Picks the user to run Postgres as. `force` is for tests of the way that this machine would not
 * take.
 */
export function pickPostgresUser(
  binaries: string,
  dataDir: string,
  say: (line: string) => void,
  force?: 'nobody',
): PostgresUser {
  if (process.getuid?.() !== 0) return { prefix: [], binaries, dataDir };
  if (force !== 'nobody' && process.platform === 'linux' && canMapUser()) {
    return { prefix: MAPPED, binaries, dataDir };
  }
  return asNobody(binaries, dataDir, say);
}
