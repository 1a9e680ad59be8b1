/** Clients under test, on two scripted gateways that are fresh for every test. */
import { afterEach, beforeEach } from 'vitest';
import { WebSocket } from 'ws';
import { MeterClient } from './meter-client.ts';
import type { MeterClientOptions } from './options.ts';
import type { MeterState } from './state.ts';
import { type ScriptedGateway, started, startScriptedGateway, type Visit } from './test-gateway.ts';

export interface Bench {
  gateway: ScriptedGateway;
  /** The second in the client's list. */
  other: ScriptedGateway;
  /** Tickets handed out so far; they are called T1, T2, ... */
  tickets: number;
  makeClient(options?: Partial<MeterClientOptions>): MeterClient;
  /** Says what a gateway says to the first `start`. */
  makeLive(client: MeterClient): Promise<Visit>;
}

/** Call it once at the top of a test file; the fields are filled before each test. */
export function scriptedBench(): Bench {
  const clients: MeterClient[] = [];
  const bench: Bench = {
    gateway: undefined!,
    other: undefined!,
    tickets: 0,
    makeClient(options = {}) {
      const client = new MeterClient({
        urls: [bench.gateway.url, bench.other.url],
        getTicket: async () => {
          bench.tickets += 1;
          return `T${bench.tickets}`;
        },
        session: 's',
        WebSocket,
        // No waiting between attempts.
        random: () => 0,
        ...options,
      });
      clients.push(client);
      return client;
    },
    async makeLive(client) {
      const live = client.start();
      const visit = await bench.gateway.visit();
      await visit.hear('start');
      visit.say(started());
      await live;
      return visit;
    },
  };
  beforeEach(async () => {
    bench.gateway = await startScriptedGateway();
    bench.other = await startScriptedGateway();
    bench.tickets = 0;
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await Promise.all([bench.gateway.stop(), bench.other.stop()]);
  });
  return bench;
}

/** By subscription, not by polling: what is passed through quickly is seen too. */
export function until(client: MeterClient, holds: (state: MeterState) => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (holds(client.getState())) return resolve();
    const end = client.subscribe((state) => {
      if (!holds(state)) return;
      end();
      resolve();
    });
  });
}
