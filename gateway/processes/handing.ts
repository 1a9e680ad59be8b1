/**
 * Accepts the connections of a port that several processes serve, and gives each to one of them. Not
 * left to node:cluster: a connection that it gives to a process which ends before it takes it stays
 * open, and is answered by nobody.
 */
import { createServer, type Socket } from 'node:net';
import type { GatewayProcess } from './process.ts';

/** Accepted and not taken: only while processes stand still, or more come than they can open. */
const MAX_WAITING = 1_000;

type Taker = Pick<GatewayProcess, 'isTaking' | 'give'>;

export interface Handing {
  port: number;
  stop(): Promise<void>;
}

/**
 * `takers`: those there are now. A connection that nobody takes is reset, so that its client comes
 * again at once.
 * @throws where the port can't be had
 */
export async function startHanding(
  { host, port }: { host: string; port: number },
  takers: () => readonly Taker[],
): Promise<Handing> {
  const waiting: Socket[] = [];
  const busy = new Set<Taker>();
  let turn = 0;

  /** In turn. Each has one at a time to take: one that stands still holds up no more than that. */
  function next(): Taker | undefined {
    const all = takers();
    for (let i = 0; i < all.length; i++) {
      const taker = all[(turn + i) % all.length]!;
      if (!taker.isTaking || busy.has(taker)) continue;
      turn = (turn + i + 1) % all.length;
      return taker;
    }
    return undefined;
  }

  function hand(): void {
    if (!takers().some(({ isTaking }) => isTaking)) {
      for (const connection of waiting.splice(0)) connection.destroy();
    }
    while (waiting.length > 0) {
      const taker = next();
      if (taker === undefined) return;
      void give(taker, waiting.shift()!);
    }
  }

  async function give(taker: Taker, connection: Socket): Promise<void> {
    busy.add(taker);
    const isTaken = await taker.give(connection);
    busy.delete(taker);
    // This process's end of it; who has taken it has its own.
    if (isTaken) connection.destroy();
    else waiting.unshift(connection);
    hand();
  }

  function accept(connection: Socket): void {
    connection.on('error', () => {});
    if (waiting.length >= MAX_WAITING) return void connection.destroy();
    waiting.push(connection);
    hand();
  }

  // Paused: what is read here could be given to nobody.
  const server = createServer({ pauseOnConnect: true }, accept);
  await new Promise<void>((resolve, reject) => {
    // Heard for good: one that can't be accepted later on is its client's to try again.
    server.on('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    async stop() {
      // Not waited for: its end is that of the connections which processes have.
      server.close();
    },
  };
}
