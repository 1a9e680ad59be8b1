/**
 * Several gateway processes on one port. `ws`: this process accepts, and hands connections round.
 * `uws`: each listens by itself, and Linux spreads connections by their addresses. Neither reads a byte
 * here: a primary that is busy slows nobody down.
 */
import { createServer } from 'node:net';
import type { Log } from '../../core/runtime/log.ts';
import type { StopList } from '../../core/runtime/stop.ts';
import type { GatewayConfig } from '../config.ts';
import { startOperations } from '../operations-port.ts';
import { startHanding } from './handing.ts';
import { type Kept, keepGateway } from './keeping.ts';
import { createProcessesOperations } from './operations.ts';

/** @throws where the port can't be had, or a process ends before it serves */
export async function startProcesses(
  config: GatewayConfig,
  log: Log,
  stops: StopList,
  patienceMs: number,
): Promise<{ port: number; operationsPort: number }> {
  if (config.transport === 'uws' && process.platform !== 'linux') {
    throw new Error(
      `GATEWAY_PROCESSES=${config.processes} with TRANSPORT=uws needs Linux, and this is ` +
        `${process.platform}: set TRANSPORT=ws, or GATEWAY_PROCESSES=1.`,
    );
  }
  let isOpen = false;
  const kept: Kept[] = [];
  const processes = () => kept.map(({ current }) => current);
  stops.add('gateway processes', {
    async stop() {
      isOpen = false;
      await Promise.all(kept.map((it) => it.stop('the primary process stops', patienceMs)));
    },
  });
  let port: number;
  if (config.transport === 'ws') {
    const handing = await startHanding(config, processes);
    stops.add('the port', handing);
    port = handing.port;
  } else {
    port = await ownPort(config.host, config.port);
  }
  const env = { PORT: String(port) };
  const names = Array.from({ length: config.processes }, (_, i) => `${config.name}-${i + 1}`);
  kept.push(...names.map((name) => keepGateway(name, env, log)));
  const operations = await startOperations(
    createProcessesOperations({ processes, isOpen: () => isOpen }).fetch,
    config.operationsPort,
    config.host,
  );
  stops.add('operations', operations);
  const first = processes();
  const started = await Promise.all(first.map((it) => it.started));
  const missing = first.filter((_, i) => !started[i]);
  if (missing.length > 0) {
    const said = await Promise.all(missing.map(async (it) => `${it.name} ${await it.ended}`));
    throw new Error(`Not every gateway process came up: ${said.join(', ')}.`);
  }
  isOpen = true;
  return { port, operationsPort: operations.port };
}

/**
 * The port if nobody has it. Listened on alone and let go again: processes that share a port would
 * share it with a stranger, too, and of 0 each would get another one.
 */
function ownPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}
