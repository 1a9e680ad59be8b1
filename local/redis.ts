import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, describeExit, startChild } from './child.ts';
import { claimFolder } from './claim.ts';
import { toolsFolder } from './places.ts';
import { anyFreePort } from './port.ts';
import { findRedisServer, type RedisServer } from './redis-server.ts';

const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 10_000;
const PING_PATIENCE_MS = 1_000;
const POLL_MS = 20;
const PORT_TRIES = 3;

export interface RedisOptions {
  /** The server's own folder; made when it is not there. */
  dataDir: string;
  /** A free one when left out. */
  port?: number;
  /** Whether it keeps its data over a restart. Default true. */
  appendOnly?: boolean;
  /** More of what a configuration file would say. */
  settings?: Readonly<Record<string, string>>;
  /** More of what its process is given. */
  env?: Readonly<Record<string, string>>;
  /** Where a downloaded server is kept. Default `.taximeter/tools`. */
  toolsFolder?: string;
  /** Hears what takes long. */
  say?: (line: string) => void;
}

export interface RunningRedis {
  url: string;
  pid: number;
  /** Resolves when the server ended, wanted or not, with a sentence saying how. */
  ended: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Asks once, and makes sure that it is process `pid` that answers, not whoever had the port before.
 * False while it loads its append-only file, too.
 */
function answersPing(port: number, pid: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answer = '';
    const done = () => {
      socket.destroy();
      resolve(answer.includes(`process_id:${pid}\r`) && answer.includes('+PONG'));
    };
    socket.setTimeout(PING_PATIENCE_MS, done);
    socket.on('connect', () => socket.end('INFO server\r\nPING\r\n'));
    socket.on('data', (data) => {
      answer += data.toString();
    });
    socket.on('close', done);
    socket.on('error', done);
  });
}

function serverArguments(options: RedisOptions, port: number): string[] {
  const settings: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    daemonize: 'no',
    dir: options.dataDir,
    save: '',
    appendonly: options.appendOnly === false ? 'no' : 'yes',
    appendfsync: 'everysec',
    // The only policy under which no counter and no job can vanish.
    'maxmemory-policy': 'noeviction',
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function startOn(server: RedisServer, options: RedisOptions, port: number): Promise<Child> {
  const child = await startChild({
    name: 'Redis',
    command: server.path,
    args: serverArguments(options, port),
    env: { ...server.env, ...options.env },
    logPath: join(options.dataDir, 'redis.log'),
    stopSignal: 'SIGTERM',
    patienceMs: STOP_PATIENCE_MS,
  });
  const deadline = performance.now() + START_PATIENCE_MS;
  while (child.exit() === null && performance.now() < deadline) {
    if (await answersPing(port, child.pid)) return child;
    await sleep(POLL_MS);
  }
  const exit = child.exit();
  const what = exit === null ? 'does not answer' : describeExit(exit);
  await child.stop();
  throw new Error(`Redis ${what} on port ${port}. Its last words:\n${child.logTail()}`);
}

/** Starts a Redis on 127.0.0.1 with its data in `dataDir`, and answers once it serves. */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  mkdirSync(options.dataDir, { recursive: true });
  const server = await findRedisServer(
    options.toolsFolder ?? toolsFolder(),
    options.say ?? (() => {}),
  );
  const claim = await claimFolder(options.dataDir, 'another Taximeter');
  try {
    for (let attempt = 1; ; attempt += 1) {
      const port = options.port ?? (await anyFreePort());
      try {
        const child = await startOn(server, options, port);
        claim.add('Redis', child.pid);
        return {
          url: `redis://127.0.0.1:${port}`,
          pid: child.pid,
          ended: child.exited.then((exit) => `Redis ${describeExit(exit)}. ${child.logTail()}`),
          async stop() {
            await child.stop();
            claim.release();
          },
        };
      } catch (error) {
        // Somebody may have taken the free port between our look and the server's.
        if (options.port !== undefined || attempt === PORT_TRIES) throw error;
      }
    }
  } catch (error) {
    claim.release();
    throw error;
  }
}
