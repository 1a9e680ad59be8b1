/** The port for probes and Prometheus, whoever answers behind it. */
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Stoppable } from '../core/runtime/stop.ts';

const CLOSE_MS = 2_000;

export interface OperationsPort extends Stoppable {
  port: number;
}

/** @throws where the port can't be had */
export async function startOperations(
  fetch: (request: Request) => Response | Promise<Response>,
  port: number,
  host: string,
): Promise<OperationsPort> {
  const server = createServer(getRequestListener(fetch));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    async stop() {
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      server.closeIdleConnections();
      await new Promise((resolve) => server.close(resolve));
      clearTimeout(cut);
    },
  };
}
