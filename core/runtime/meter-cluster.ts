/**
 * The meter on a cluster: a connection to every primary, each with the life it read (rule 21 in
 * core/meter/README.md), and a table of who has which slot. ioredis' own cluster client is of no use
 * here: it sends a command on to whom a server names, with the run id of the first, and so would
 * count on another server's data unasked. Here a command goes to one server or fails.
 */

import { SLOTS, slotOf } from './hash-slot.ts';
import {
  connectServer,
  type MeterConnection,
  type MeterServer,
  READY_PATIENCE_MS,
} from './meter-server.ts';
import { addressBeside, placesOf } from './redis-address.ts';
import type { ConnectOptions } from './redis-open.ts';

/** Slots seldom move; whoever asks the wrong server says so. */
const LOOK_EVERY_MS = 5_000;
/** While a server is missing its replacement may come at any time. */
const LOOK_AGAIN_MS = 200;
/** However many ask for it. */
const LOOK_SPACING_MS = 50;
/** A server that stands still must not keep us from what the others say. */
const ANSWER_PATIENCE_MS = 500;

/** Slots from the first to the last, both included, and the address of their primary. */
interface Range {
  first: number;
  last: number;
  address: string;
}

export function connectMeterCluster(seeds: string[], options: ConnectOptions): MeterConnection {
  const known = new Map<string, MeterServer>();
  const listeners = new Set<(runId: string) => void>();
  const owners: (MeterServer | null)[] = new Array(SLOTS).fill(null);
  let believed = '';
  let timer: NodeJS.Timeout | null = null;
  let isLooking = false;
  let isStopped = false;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let lastError: unknown = null;

  function server(address: string): MeterServer {
    let found = known.get(address);
    if (!found) {
      found = connectServer(address, options);
      found.onRunId((runId) => {
        tell(runId);
        lookAgain();
      });
      found.redis.on('close', lookAgain);
      known.set(address, found);
    }
    return found;
  }

  function tell(runId: string): void {
    for (const listener of listeners) listener(runId);
  }

  const present = () => [...new Set(owners)].filter((it) => it !== null);
  const isReady = (it: MeterServer | null) => it !== null && it.runId() !== null;

  /** Every server's view; what most say is believed, for one may not have heard of a failover. */
  async function look(): Promise<void> {
    const votes = new Map<string, { ranges: Range[]; count: number }>();
    const asked = [...known].map(async ([address, it]) => {
      if (!isReady(it)) return;
      const ranges = await readRanges(it, address);
      const view = JSON.stringify(ranges);
      const vote = votes.get(view) ?? { ranges, count: 0 };
      vote.count += 1;
      // A server that was started anew and belongs to no cluster yet knows nothing.
      if (ranges.length > 0) votes.set(view, vote);
    });
    for (const it of asked) it.catch((error) => (lastError = error));
    await Promise.race([Promise.allSettled(asked), sleep(ANSWER_PATIENCE_MS)]);
    const [best] = [...votes.values()].sort((a, b) => b.count - a.count);
    if (best && !isStopped) believe(best.ranges);
  }

  function believe(ranges: Range[]): void {
    const view = JSON.stringify(ranges);
    if (view === believed) return;
    believed = view;
    owners.fill(null);
    for (const { first, last, address } of ranges) owners.fill(server(address), first, last + 1);
    // Some of it is elsewhere now, maybe on a server that was known before.
    for (const owner of present()) {
      const runId = owner.runId();
      if (runId !== null) tell(runId);
    }
    const kept = new Set([...seeds, ...ranges.map((it) => it.address)]);
    for (const [address, gone] of known) {
      if (kept.has(address)) continue;
      known.delete(address);
      void gone.stop();
    }
    const primaries = placesOf([...new Set(ranges.map((it) => it.address))].join(','));
    options.log.info({ primaries }, 'the servers of the Redis cluster');
  }

  async function run(): Promise<void> {
    timer = null;
    isLooking = true;
    await look();
    isLooking = false;
    lookedAt = performance.now();
    if (isStopped) return;
    schedule(owners.every(isReady) ? LOOK_EVERY_MS : LOOK_AGAIN_MS);
  }

  function schedule(ms: number): void {
    if (timer) clearTimeout(timer);
    timer = setTimeout(run, ms);
  }

  function lookAgain(): void {
    if (isStopped || isLooking) return;
    schedule(Math.max(0, lookedAt + LOOK_SPACING_MS - performance.now()));
  }

  for (const seed of seeds) server(seed);
  schedule(LOOK_AGAIN_MS);

  return {
    isCluster: true,
    serverOf: (key) => owners[slotOf(key)] ?? null,
    redisOf(key) {
      const owner = owners[slotOf(key)];
      if (!owner) throw new Error(`No server of the Redis cluster has slot ${slotOf(key)} now.`);
      return owner.redis;
    },
    servers: present,
    lookAgain,
    onRunId(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async ready(timeoutMs = READY_PATIENCE_MS) {
      const end = performance.now() + timeoutMs;
      while (!owners.every(isReady)) {
        if (performance.now() < end) await sleep(LOOK_AGAIN_MS / 10);
        // One that is missing does not keep the others' shards from being served.
        else if (present().some(isReady)) return;
        else throw unready(seeds, timeoutMs, lastError);
      }
    },
    async stop() {
      isStopped = true;
      if (timer) clearTimeout(timer);
      await Promise.all([...known.values()].map((it) => it.stop()));
    },
  };
}

type SlotsReply = [first: number, last: number, primary: [host: string | null, port: number]][];

async function readRanges(asked: MeterServer, address: string): Promise<Range[]> {
  const reply = (await asked.redis.cluster('SLOTS')) as unknown as SlotsReply;
  return reply
    .map(([first, last, [host, port]]) => {
      // No name: reach it as you have reached me.
      const isNamed = host !== null && host !== '' && host !== '?';
      const place = isNamed ? host : new URL(address).hostname;
      return { first, last, address: addressBeside(address, place, port) };
    })
    .sort((a, b) => a.first - b.first);
}

function unready(seeds: string[], timeoutMs: number, cause: unknown): Error {
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  const where = placesOf(seeds.join(','));
  return new Error(
    `No cluster of Redis answered at ${where} in ${timeoutMs} ms${why}: is it running, and has it its slots?`,
    { cause },
  );
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
