/** What is measured: gateways and workers of this product, and peers, each a process that can halt. */
import { fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { anyFreePort } from '../../../local/port.ts';
import { MAINS, startProcess } from '../../../local/processes.ts';
import type { PeerSettings } from '../../peers/peer.ts';
import type { Pinning, Place } from './pin.ts';
import type { BenchStores } from './stores.ts';

export interface Server {
  name: string;
  pid: number;
  /** where recorders connect; 0: it serves none */
  port: number;
  /** Takes no CPU until it is woken. */
  halt(): void;
  wake(): void;
  stop(): Promise<void>;
}

export interface ProductOptions {
  name: string;
  stores: BenchStores;
  dataDir: string;
  /** for PATH and the like */
  baseEnv: NodeJS.ProcessEnv;
  pinning: Pinning;
  /** hears of ends that should not be */
  incident(sentence: string): void;
  env?: Record<string, string>;
  /** arguments for Node, before the main file */
  nodeArguments?: readonly string[];
}

/** Longer than any halt: a server that was stopped for others must not take its sessions for dead. */
const PATIENCE_MS = String(1_800_000);
const RESUME_WINDOW_MS = String(3_600_000);

export function startGateway(options: ProductOptions): Promise<Server> {
  return startMain('gateway', 'server', options);
}

export function startWorker(options: ProductOptions, place: Place = 'rest'): Promise<Server> {
  return startMain('worker', place, options);
}

async function startMain(
  main: 'gateway' | 'worker',
  place: Place,
  options: ProductOptions,
): Promise<Server> {
  const { name, stores, dataDir, baseEnv, pinning, incident } = options;
  const port = main === 'gateway' ? await anyFreePort() : 0;
  const operationsPort = await anyFreePort();
  const running = await startProcess({
    name,
    args: [...(options.nodeArguments ?? []), ...MAINS[main]],
    env: {
      ...{ ...baseEnv, NODE_ENV: 'production' },
      ...{ REDIS_URL: stores.redisUrl, DATABASE_URL: stores.databaseUrl, DEVELOPMENT: '1' },
      ...{ HOST: '127.0.0.1', GATEWAY_NAME: name, WORKER_NAME: name, LOG_LEVEL: 'warn' },
      ...{ BEAT_TIMEOUT_MS: PATIENCE_MS, RESUME_WINDOW_MS },
      ...{ OPERATIONS_PORT: String(operationsPort), ...(port > 0 && { PORT: String(port) }) },
      ...options.env,
    },
    logsFolder: join(dataDir, 'logs'),
    healthPorts: [operationsPort],
    say: incident,
    onHopeless: incident,
  });
  const pid = running.pid();
  await pinning.pin(pid, place);
  return haltable({ name, pid, port, stop: () => running.stop() });
}

export type PeerName =
  | 'ws-echo'
  | 'ws-incrby'
  | 'socketio-incrby'
  | 'ws-update'
  | 'incr'
  | 'minute-jobs';

export interface Peer extends Server {
  /** What it says it has done; of those that serve no sockets. */
  done(): Promise<number>;
}

export interface PeerOptions {
  name: PeerName;
  settings: PeerSettings;
  dataDir: string;
  baseEnv: NodeJS.ProcessEnv;
  pinning: Pinning;
  nodeArguments?: readonly string[];
}

export async function startPeer(options: PeerOptions): Promise<Peer> {
  const { name, settings, pinning, nodeArguments = [] } = options;
  const logs = join(options.dataDir, 'logs');
  mkdirSync(logs, { recursive: true });
  const log = openSync(join(logs, `${name}.log`), 'a');
  const built = import.meta.url.endsWith('.js');
  const path = `../../peers/${name}.${built ? 'js' : 'ts'}`;
  const file = fileURLToPath(new URL(path, import.meta.url));
  const child = fork(file, [JSON.stringify(settings)], {
    execArgv: [...nodeArguments, ...(built ? [] : ['--import', 'tsx'])],
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...options.baseEnv, NODE_ENV: 'production' },
  });
  closeSync(log);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (word: { port: number }) => resolve(word.port));
    child.once('error', reject);
    void exited.then(() => {
      const words = readFileSync(join(logs, `${name}.log`), 'utf8');
      reject(new Error(`The peer ${name} ended before it served. It said:\n${words}`));
    });
  });
  const pid = child.pid!;
  await pinning.pin(pid, 'server');
  const server = haltable({
    ...{ name, pid, port },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  });
  return {
    ...server,
    done: () =>
      new Promise((resolve, reject) => {
        child.once('message', (word: { done: number }) => resolve(word.done));
        child.send('count', (error) => error && reject(error));
      }),
  };
}

function haltable(server: Pick<Server, 'name' | 'pid' | 'port' | 'stop'>): Server {
  const wake = () => void process.kill(server.pid, 'SIGCONT');
  return {
    ...server,
    halt: () => void process.kill(server.pid, 'SIGSTOP'),
    wake,
    async stop() {
      try {
        wake();
      } catch {
        // It has ended already.
      }
      await server.stop();
    },
  };
}
