import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { claimFolder } from './claim.ts';
import type { UpFlags } from './flags.ts';
import { toolsFolder } from './places.ts';
import { nextFreePort, portIsFree } from './port.ts';
import { type Mains, startProcess } from './processes.ts';
import { startStores } from './stores.ts';
import type { Supervised } from './supervise.ts';
import { diskShortage } from './trouble.ts';

export interface GatewayPorts {
  name: string;
  port: number;
  operationsPort: number;
}

export interface Installation {
  gateways: readonly GatewayPorts[];
  /** Of gateways, in their order, then of the worker; for tests. */
  pids(): number[];
  /** Resolves with a sentence when a part ended that can't be kept running. */
  broken: Promise<string>;
  /** Gateways, then the worker, then the stores. */
  stop(): Promise<void>;
}

export interface InstallationOptions {
  flags: UpFlags;
  env: NodeJS.ProcessEnv;
  mains: Mains;
  say: (line: string) => void;
  /** Gives up between two steps once aborted. */
  signal: AbortSignal;
}

/** The first gateway's ports are as asked for or an error; the others take what is free. */
async function choosePorts(flags: UpFlags): Promise<GatewayPorts[]> {
  if (!(await portIsFree(flags.port))) {
    throw new Error(
      `Port ${flags.port} is in use: stop what listens there, or choose another with --port.`,
    );
  }
  const taken = new Set([flags.port]);
  async function take(from: number): Promise<number> {
    const port = await nextFreePort(from, taken);
    taken.add(port);
    return port;
  }
  const gateways = [
    { name: 'gateway-1', port: flags.port, operationsPort: await take(flags.port + 1) },
  ];
  for (let number = 2; number <= flags.gateways; number += 1) {
    const port = await take(flags.port + 1);
    gateways.push({ name: `gateway-${number}`, port, operationsPort: await take(port + 1) });
  }
  return gateways;
}

/** The pages that may connect: those the gateways themselves serve. */
function origins(gateways: readonly GatewayPorts[]): string {
  return gateways
    .flatMap(({ port }) => [`http://localhost:${port}`, `http://127.0.0.1:${port}`])
    .join(',');
}

/** Starts everything a newcomer needs on one machine. All or nothing. */
export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { flags, env, mains, say, signal } = options;
  const { dataDir } = flags;
  mkdirSync(dataDir, { recursive: true });
  const shortage = diskShortage(dataDir);
  if (shortage !== null) throw new Error(shortage);
  const claim = await claimFolder(dataDir, 'another "npm start"');

  const stops: (() => Promise<void>)[] = [async () => claim.release()];
  async function stop(): Promise<void> {
    claim.leave();
    for (let last = stops.pop(); last !== undefined; last = stops.pop()) await last();
  }
  let onHopeless: (sentence: string) => void = () => {};
  const hopeless = new Promise<string>((resolve) => {
    onHopeless = resolve;
  });
  const processes: Supervised[] = [];

  try {
    const gateways = await choosePorts(flags);
    const stores = await startStores({
      dataDir,
      toolsFolder: toolsFolder(),
      redisUrl: env.REDIS_URL || undefined,
      databaseUrl: env.DATABASE_URL || undefined,
      databaseAdminUrl: env.DATABASE_ADMIN_URL || undefined,
      speed: flags.speed,
      say,
    });
    stops.push(stores.stop);
    signal.throwIfAborted();

    const common = {
      ...env,
      REDIS_URL: stores.redisUrl,
      DATABASE_URL: stores.databaseUrl,
      DEVELOPMENT: '1',
      // With development secrets it must not be reached from elsewhere.
      HOST: env.HOST || '127.0.0.1',
      ALLOWED_ORIGINS: origins(gateways),
      LOG_LEVEL: env.LOG_LEVEL || 'info',
      ...(flags.intervalMs === undefined ? {} : { TICK_INTERVAL_MS: String(flags.intervalMs) }),
    };
    const logsFolder = join(dataDir, 'logs');
    async function start(name: string, args: readonly string[], ports: Record<string, number>) {
      say(`starting ${name} ...`);
      const portEnv = Object.entries(ports).map(([key, port]) => [key, String(port)]);
      const running = await startProcess({
        name,
        args,
        env: { ...common, ...Object.fromEntries(portEnv), GATEWAY_NAME: name },
        logsFolder,
        healthPorts: Object.values(ports),
        say,
        onHopeless,
      });
      claim.add(name, running.pid());
      processes.unshift(running);
      return running;
    }

    const highest = Math.max(...gateways.map((it) => it.operationsPort));
    const workerPort = await nextFreePort(highest + 1, new Set());
    const worker = await start('worker', mains.worker, { OPERATIONS_PORT: workerPort });
    stops.push(worker.stop);
    signal.throwIfAborted();
    const started = gateways.map(({ name, port, operationsPort }) =>
      start(name, mains.gateway, { PORT: port, OPERATIONS_PORT: operationsPort }),
    );
    stops.push(async () => {
      const settled = await Promise.allSettled(started);
      await Promise.all(settled.map((it) => (it.status === 'fulfilled' ? it.value.stop() : null)));
    });
    await Promise.all(started);
    signal.throwIfAborted();
    return {
      gateways,
      pids: () => processes.map((it) => it.pid()),
      broken: Promise.race([hopeless, stores.ended]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
