import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Child, describeExit, startChild } from './child.ts';
import { type Supervised, supervise } from './supervise.ts';

const START_PATIENCE_MS = 60_000;
/** A gateway hands its sessions over first, a worker finishes its jobs. */
const STOP_PATIENCE_MS = 20_000;
const POLL_MS = 50;
const PROBE_PATIENCE_MS = 2_000;

/** Arguments for Node that run the main file of `folder`, built or, in development, as source. */
function mainArguments(folder: 'gateway' | 'worker'): string[] {
  const built = import.meta.url.endsWith('.js');
  const main = fileURLToPath(new URL(`../${folder}/main.${built ? 'js' : 'ts'}`, import.meta.url));
  return built ? ['--enable-source-maps', main] : ['--import', 'tsx', main];
}

export interface Mains {
  gateway: readonly string[];
  worker: readonly string[];
}

export const MAINS: Mains = { gateway: mainArguments('gateway'), worker: mainArguments('worker') };

export interface ServingOptions {
  name: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  logsFolder: string;
  /** Ports whose /healthz must answer 200 before it counts as started. */
  healthPorts: readonly number[];
}

export interface ProcessOptions extends ServingOptions {
  say: (line: string) => void;
  onHopeless: (sentence: string) => void;
}

const logPathOf = ({ name, logsFolder }: ServingOptions) => join(logsFolder, `${name}.log`);

async function healthy(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, {
      signal: AbortSignal.timeout(PROBE_PATIENCE_MS),
    });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function allHealthy(ports: readonly number[]): Promise<boolean> {
  return (await Promise.all(ports.map(healthy))).every(Boolean);
}

/** Starts a gateway or worker once, and answers when it serves. @throws Error with its last words */
export async function startServing(options: ServingOptions): Promise<Child> {
  const { name, args, env, healthPorts } = options;
  const logPath = logPathOf(options);
  const child = await startChild({
    name,
    command: process.execPath,
    args,
    env,
    logPath,
    stopSignal: 'SIGTERM',
    patienceMs: STOP_PATIENCE_MS,
  });
  const deadline = performance.now() + START_PATIENCE_MS;
  while (child.exit() === null && performance.now() < deadline) {
    if (await allHealthy(healthPorts)) return child;
    await sleep(POLL_MS);
  }
  const exit = child.exit();
  const what = exit === null ? `is not ready after ${START_PATIENCE_MS} ms` : describeExit(exit);
  const words = child.logTail();
  await child.stop();
  throw new Error(`${name} ${what}. Its last words (all of them in ${logPath}):\n${words}`);
}

/** Starts a gateway or worker, waits until it serves, and keeps it running. */
export function startProcess(options: ProcessOptions): Promise<Supervised> {
  const { name, say, onHopeless } = options;
  const logPath = logPathOf(options);
  const start = () => startServing(options);
  return supervise({ name, logPath, start, say, onHopeless });
}
