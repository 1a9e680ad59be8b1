import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { type Child, describeExit, startChild } from './child.ts';
import { type Claim, claimFolder } from './claim.ts';
import { anyFreePort } from './port.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { clearStaleLock, makeCluster, readSecret } from './postgres-folder.ts';
import {
  OWNER_ROLE,
  prepareRoles,
  rolePassword,
  roleUrl,
  SERVICE_ROLE,
  WORKER_ROLE,
} from './postgres-roles.ts';
import { type PostgresUser, pickPostgresUser } from './postgres-user.ts';

const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 15_000;
const START_TRIES = 4;
/** A killed Postgres' own processes need this long to notice and let go of the folder. */
const RETRY_PAUSE_MS = 1_000;
const POLL_MS = 30;

export interface PostgresOptions {
  /** The server's own folder; made when it is not there. */
  dataDir: string;
  /** A free one when left out. */
  port?: number;
  /** false: forgets committed data when the machine crashes, and is faster. For tests. */
  durable?: boolean;
  /** Hears what takes long, and where the data are when not in `dataDir`. */
  say?: (line: string) => void;
  /** For tests: as root, run as "nobody" even where a user can be mapped. */
  runAs?: 'nobody';
}

export interface RunningPostgres {
  /** For migrations: the owner of the tables, not a superuser. */
  adminUrl: string;
  /** For gateways. */
  url: string;
  /** For workers, and for whoever reads everything. */
  workerUrl: string;
  pid: number;
  /** Resolves when the server ended, wanted or not, with a sentence saying how. */
  ended: Promise<string>;
  stop(): Promise<void>;
}

function serverArguments(dataDir: string, port: number, durable: boolean): string[] {
  const settings: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    // No socket file: there is no folder for it that is short and ours on every system.
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '64MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', join(dataDir, 'data'), ...flags];
}

async function accepts(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function startOn(user: PostgresUser, port: number, secret: string, durable: boolean) {
  const command = [...user.prefix, join(user.binaries, 'bin/postgres')];
  const child = await startChild({
    name: 'Postgres',
    command: command[0]!,
    args: [...command.slice(1), ...serverArguments(user.dataDir, port, durable)],
    cwd: user.dataDir,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    ...(user.gid === undefined ? {} : { gid: user.gid }),
    logPath: join(user.dataDir, 'postgres.log'),
    // "Fast" shutdown: ends sessions and writes a checkpoint.
    stopSignal: 'SIGINT',
    patienceMs: STOP_PATIENCE_MS,
  });
  const url = roleUrl(port, 'postgres', secret, 'postgres');
  const deadline = performance.now() + START_PATIENCE_MS;
  while (child.exit() === null && performance.now() < deadline) {
    if (await accepts(url)) return child;
    await sleep(POLL_MS);
  }
  const exit = child.exit();
  const what = exit === null ? 'does not answer' : describeExit(exit);
  await child.stop();
  throw new Error(`Postgres ${what} on port ${port}. Its last words:\n${child.logTail()}`);
}

async function prepare(port: number, secret: string) {
  await prepareRoles(roleUrl(port, 'postgres', secret, 'postgres'), secret);
  return {
    adminUrl: roleUrl(port, OWNER_ROLE, rolePassword(secret, OWNER_ROLE)),
    url: roleUrl(port, SERVICE_ROLE, rolePassword(secret, SERVICE_ROLE)),
    workerUrl: roleUrl(port, WORKER_ROLE, rolePassword(secret, WORKER_ROLE)),
  };
}

async function startWithin(claim: Claim, user: PostgresUser, options: PostgresOptions) {
  const secret = readSecret(user);
  await makeCluster(user);
  for (let attempt = 1; ; attempt += 1) {
    await clearStaleLock(user);
    const port = options.port ?? (await anyFreePort());
    let child: Child;
    try {
      child = await startOn(user, port, secret, options.durable !== false);
    } catch (error) {
      if (attempt === START_TRIES) throw error;
      await sleep(RETRY_PAUSE_MS);
      continue;
    }
    claim.add('Postgres', child.pid);
    try {
      return { child, ...(await prepare(port, secret)) };
    } catch (error) {
      await child.stop();
      throw error;
    }
  }
}

/** Starts a Postgres on 127.0.0.1 with its data in `dataDir`; answers once its roles can log in. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const say = options.say ?? (() => {});
  mkdirSync(options.dataDir, { recursive: true });
  const binaries = postgresBinaries();
  const claim = await claimFolder(options.dataDir, 'another Taximeter');
  try {
    const user = pickPostgresUser(binaries, options.dataDir, say, options.runAs);
    const { child, adminUrl, url, workerUrl } = await startWithin(claim, user, options);
    return {
      adminUrl,
      url,
      workerUrl,
      pid: child.pid,
      ended: child.exited.then((exit) => `Postgres ${describeExit(exit)}. ${child.logTail()}`),
      async stop() {
        await child.stop();
        claim.release();
      },
    };
  } catch (error) {
    claim.release();
    throw error;
  }
}
