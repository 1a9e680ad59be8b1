import { createServer } from 'node:net';

const HIGHEST_PORT = 65_535;

/** Whether somebody could listen on 127.0.0.1:`port` now. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}

/** A port the system hands out. Somebody may take it first: the caller tries again then. */
export function anyFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** The first free port from `from` upwards that is not in `taken`. */
export async function nextFreePort(from: number, taken: ReadonlySet<number>): Promise<number> {
  for (let port = from; port <= HIGHEST_PORT; port += 1) {
    if (!taken.has(port) && (await portIsFree(port))) return port;
  }
  throw new Error(`No free port from ${from} upwards: stop something or choose a lower --port.`);
}
