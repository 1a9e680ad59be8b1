import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAddresses } from '../core/runtime/addresses.ts';
import { claimFolder } from './claim.ts';
import type { UpFlags } from './flags.ts';
import { toolsFolder } from './places.ts';
import { nextFreePort, portIsFree } from './port.ts';
import { type Mains, startProcess } from './processes.ts';
import { startStores } from './stores.ts';
import { diskShortage } from './trouble.ts';

export interface GatewayPorts {
  port: number;
  operationsPort: number;
}

export interface Installation {
  gateway: GatewayPorts;
  /** Resolves with a sentence when a part ended that can't be kept running. */
  broken: Promise<string>;
  /** The gateway, then the worker, then the stores. */
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

/** The gateway's own port is as asked for or an error; the other one is what is free. */
async function choosePorts({ port }: UpFlags): Promise<GatewayPorts> {
  if (!(await portIsFree(port))) {
    throw new Error(
      `Port ${port} is in use: stop what listens there, or choose another with --port.`,
    );
  }
  return { port, operationsPort: await nextFreePort(port + 1, new Set()) };
}

/** The pages that may connect: those the gateway itself serves. */
function origins({ port }: GatewayPorts): string {
  return `http://localhost:${port},http://127.0.0.1:${port}`;
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

  try {
    const gateway = await choosePorts(flags);
    const stores = await startStores({
      dataDir,
      toolsFolder: toolsFolder(),
      redisUrl: env.REDIS_URL || undefined,
      databaseUrl: env.DATABASE_URL || undefined,
      workerDatabaseUrl: env.WORKER_DATABASE_URL || undefined,
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
      ALLOWED_ORIGINS: origins(gateway),
      LOG_LEVEL: env.LOG_LEVEL || 'info',
      ...(flags.intervalMs === undefined ? {} : { TICK_INTERVAL_MS: String(flags.intervalMs) }),
    };
    const logsFolder = join(dataDir, 'logs');
    async function start(
      name: string,
      args: readonly string[],
      ports: Record<string, number>,
      more: Record<string, string> = {},
    ): Promise<void> {
      say(`starting ${name} ...`);
      const portEnv = Object.entries(ports).map(([key, port]) => [key, String(port)]);
      const running = await startProcess({
        name,
        args,
        env: { ...common, ...Object.fromEntries(portEnv), ...more },
        logsFolder,
        healthPorts: Object.values(ports),
        say,
        onHopeless,
      });
      claim.add(name, running.pid());
      stops.push(running.stop);
      signal.throwIfAborted();
    }

    const workerPort = await nextFreePort(gateway.operationsPort + 1, new Set());
    await start(
      'worker',
      mains.worker,
      { OPERATIONS_PORT: workerPort },
      { DATABASE_URL: stores.workerDatabaseUrl },
    );
    // Its processes, if there are several, are its own to start again and to stop.
    const ports = { PORT: gateway.port, OPERATIONS_PORT: gateway.operationsPort };
    await start('gateway', mains.gateway, ports, {
      GATEWAY_NAME: 'gateway',
      GATEWAY_PROCESSES: String(flags.gateways),
      SPOOL_DIR: env.SPOOL_DIR || join(dataDir, 'spool'),
    });
    const { redisUrl, workerDatabaseUrl: databaseUrl } = stores;
    const addresses = { pid: process.pid, redisUrl, databaseUrl, port: gateway.port };
    const forget = writeAddresses(dataDir, addresses);
    stops.push(async () => forget());
    return {
      gateway,
      broken: Promise.race([hopeless, stores.ended]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
