/** Where the connections of a `ws` server come from: a port of its own, or one that processes share. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { SharedPort, TransportOptions } from './transport.ts';

export interface WsPort {
  port: number;
  /** No new ones from here on. Resolves when all that there are have ended. */
  close(): Promise<void>;
}

/** @throws where the port can't be had */
export async function openWsPort(server: Server, options: TransportOptions): Promise<WsPort> {
  const { host, port, shared } = options;
  if (shared !== null) return takeShared(server, shared, port);
  await new Promise<void>((resolve, reject) => {
    // Heard for good: one that can't be accepted later on is its client's to try again.
    server.on('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function takeShared(server: Server, shared: SharedPort, port: number): WsPort {
  const open = new Set<Socket>();
  let ended: () => void = () => {};
  // It never will. But only from then on Node looks for requests that take too long.
  server.emit('listening');
  const leave = shared.take((connection) => {
    open.add(connection);
    connection.once('close', () => {
      open.delete(connection);
      if (open.size === 0) ended();
    });
    // As on connections that it accepts itself.
    connection.allowHalfOpen = true;
    connection.setNoDelay(true);
    server.emit('connection', connection);
  });
  return {
    port,
    async close() {
      leave();
      server.close();
      if (open.size > 0) {
        await new Promise<void>((resolve) => {
          ended = resolve;
        });
      }
    },
  };
}
