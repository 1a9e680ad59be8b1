/**
 * One hop of the network that can go wrong: a TCP proxy on loopback before a server. What goes through
 * it is passed on as it is, until it is told otherwise.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * - `pass`: as if it were not there
 * - `refuse`: what is connected is cut, what comes is cut at once
 * - `stall`: nothing moves, nothing is lost; it goes on where it was
 * - `deaf`: half open. Bytes vanish both ways and neither side is told, not even that the other left
 * - `swallow`: requests arrive, answers vanish
 * - `slow`: every piece takes `delayMs` longer
 */
export type Weather = 'pass' | 'refuse' | 'stall' | 'deaf' | 'swallow' | 'slow';
type Way = 'up' | 'down';

interface Pair {
  client: Socket;
  server: Socket;
  /** bytes of it vanished: neither side can go on with it */
  isTorn: boolean;
}

export interface Hop {
  name: string;
  port: number;
  /** Where it leads from now on; what is connected stays connected. */
  lead(port: number): void;
  set(weather: Weather, delayMs?: number): void;
  /** Cuts every connection, once. */
  cut(): void;
  /** Hears the next piece on its way to the server in which `pattern` is, before it is passed on. */
  once(pattern: RegExp, heard: (connection: HeardConnection) => void): void;
  /** Whoever waits for a piece waits no longer. */
  forget(): void;
  readonly connections: number;
  stop(): Promise<void>;
}

export interface HeardConnection {
  /** The request never arrives, and the connection is gone. */
  loseRequest(): void;
  /** The request arrives, its answer does not, and the connection is gone. */
  loseAnswer(): void;
}

/** How long a server has to carry out what its answer is lost of. */
const LOST_ANSWER_MS = 30;

export async function startHop(name: string, leadsTo: number): Promise<Hop> {
  const pairs = new Set<Pair>();
  let target = leadsTo;
  let weather: Weather = 'pass';
  let slowMs = 0;
  let listener: { pattern: RegExp; heard(connection: HeardConnection): void } | null = null;

  function end(pair: Pair): void {
    pairs.delete(pair);
    // Like a machine that is gone: no goodbye.
    pair.client.resetAndDestroy();
    pair.server.resetAndDestroy();
  }

  /** Whether the piece may go on. */
  function listen(pair: Pair, piece: Buffer): boolean {
    if (listener === null || !listener.pattern.test(piece.toString('latin1'))) return true;
    const { heard } = listener;
    listener = null;
    let arrives = true;
    heard({
      loseRequest() {
        arrives = false;
        end(pair);
      },
      loseAnswer() {
        pair.isTorn = true;
        setTimeout(end, LOST_ANSWER_MS, pair);
      },
    });
    return arrives;
  }

  function pass(pair: Pair, way: Way, piece: Buffer): void {
    if (way === 'up' && !listen(pair, piece)) return;
    const vanishes =
      weather === 'deaf' || (way === 'down' && (weather === 'swallow' || pair.isTorn));
    if (vanishes) {
      pair.isTorn = true;
      return;
    }
    const to = way === 'up' ? pair.server : pair.client;
    if (weather === 'slow') setTimeout(() => to.writable && to.write(piece), slowMs);
    else if (to.writable) to.write(piece);
  }

  function accept(client: Socket): void {
    if (weather === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true });
    const pair: Pair = { client, server, isTorn: false };
    pairs.add(pair);
    client.setNoDelay(true);
    const both = [client, server];
    for (const socket of both) {
      socket.on('error', () => {});
      // A server that is gone is gone for the client too, unless nothing gets through.
      socket.on('close', () => {
        if (weather === 'deaf' || weather === 'stall') pair.isTorn = true;
        else end(pair);
      });
    }
    client.on('data', (piece) => pass(pair, 'up', piece));
    server.on('data', (piece) => pass(pair, 'down', piece));
    if (weather === 'stall') for (const socket of both) socket.pause();
  }

  const sockets: Server = createServer({ allowHalfOpen: false }, accept);
  await new Promise<void>((resolve, reject) => {
    sockets.once('error', reject);
    sockets.listen({ port: 0, host: '127.0.0.1' }, resolve);
  });
  const address = sockets.address();

  return {
    name,
    port: typeof address === 'object' && address ? address.port : 0,
    lead(port) {
      target = port;
    },
    set(next, delayMs = 0) {
      const before = weather;
      weather = next;
      slowMs = delayMs;
      if (next === 'refuse') for (const pair of pairs) end(pair);
      for (const pair of pairs) {
        if (next === 'stall') {
          pair.client.pause();
          pair.server.pause();
        } else if (before === 'stall') {
          pair.client.resume();
          pair.server.resume();
        }
      }
      // Those it swallowed something of can't be used any more; who was cut meanwhile hears of it now.
      if (next === 'pass') for (const pair of pairs) if (pair.isTorn) end(pair);
    },
    cut() {
      for (const pair of pairs) end(pair);
    },
    once(pattern, heard) {
      listener = { pattern, heard };
    },
    forget() {
      listener = null;
    },
    get connections() {
      return pairs.size;
    },
    async stop() {
      for (const pair of pairs) end(pair);
      await new Promise((resolve) => sockets.close(resolve));
    },
  };
}
