/** The product's own settling: a gateway makes minutes, the worker brings them into the ledger. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SHARDS } from '../../../core/meter/keys.ts';
import { createMeter } from '../../../core/meter/meter.ts';
import { createLog } from '../../../core/runtime/log.ts';
import { connectMeter } from '../../../core/runtime/redis.ts';
import { connect } from '../../../drizzle/client.ts';
import type { Bench } from '../bench.ts';
import { API_KEY, makeOrganizations, namesOf } from '../stand/load.ts';
import type { Stand } from '../stand/stand.ts';
import { openWindow } from '../stand/window.ts';
import type { Settled, Settling } from './settled.ts';

const SESSIONS = 320;
const SESSIONS_AN_ORGANIZATION = 20;
const INTERVAL_MS = 200;
/** At 1,000 meter seconds a second: 320 sessions finish 5,333 minutes in each of these. */
const BACKLOG_MS = { quick: 1_500, full: 3_000 };
/** A gateway gathers fields for a moment before it names them in a job. */
const GATHERED_MS = 600;
const PAUSED_MS = 500;
const POLL_MS = 25;
const PATIENCE_MS = 60_000;
const MINUTE_MS = 60_000;
const NAME = 'settling';

export async function openProductSettling(bench: Bench, stand: Stand): Promise<Settling> {
  const worker = await stand.worker('server');
  const gateway = await stand.gateway('gateway', {
    env: { TICK_INTERVAL_MS: String(INTERVAL_MS) },
  });
  const crowd = await stand.crowd('crowd');
  const { port } = gateway;
  const sessions = namesOf(NAME, SESSIONS, SESSIONS_AN_ORGANIZATION);
  await makeOrganizations(port, NAME, sessions);
  const how = { dialect: 'taximeter', port, apiKey: API_KEY, overMs: 0, patienceMs: null } as const;
  await crowd.open({ target: NAME, sessions, ...how });
  await crowd.state({ target: NAME, isPaused: true });
  await sleep(PAUSED_MS);
  gateway.halt();
  const books = openBooks(stand);
  bench.onEnd(books.stop);
  const backlogMs = bench.isQuick ? BACKLOG_MS.quick : BACKLOG_MS.full;

  return {
    name: 'this product',
    async round(): Promise<Settled> {
      worker.wake();
      await books.untilSettled();
      const before = await books.inLedger();
      worker.halt();
      gateway.wake();
      await crowd.state({ target: NAME, isPaused: false });
      await sleep(backlogMs);
      // A paused session's open minute is written too: what the meter has is what will be settled.
      await crowd.state({ target: NAME, isPaused: true });
      await sleep(GATHERED_MS);
      gateway.halt();
      const wanted = await books.charged();
      const window = openWindow(stand.pids);
      worker.wake();
      await books.untilSettled(wanted);
      const { lengthMs, cpuMs } = window.close();
      const minutes = (wanted - before) / MINUTE_MS;
      const { redis = 0, postgres = 0 } = cpuMs;
      return { minutes, tookMs: lengthMs, cpuMs: { settler: cpuMs.worker ?? 0, redis, postgres } };
    },
  };
}

/** What the meter has charged, and what of it the ledger has. */
function openBooks(stand: Stand) {
  const { redisUrl, databaseUrl } = stand.stores;
  const connection = connectMeter(redisUrl, {
    log: createLog({ name: 'bench', level: 'silent' }),
    name: 'bench',
  });
  const meter = createMeter(connection);
  const database = connect(databaseUrl, { connections: 1, name: 'bench' });
  const { sql } = database;

  async function charged(): Promise<number> {
    await connection.ready();
    let sumMs = 0;
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const reply = await meter.shardSessions(shard);
      if (reply.status !== 'ok') throw new Error(`Shard ${shard} of the meter waits for recovery.`);
      for (const { chargedMs } of reply.sessions) sumMs += chargedMs;
    }
    return sumMs;
  }

  async function inLedger(): Promise<number> {
    const [row] = await sql<
      { ms: string }[]
    >`select coalesce(sum(settled_ms), 0) as ms from sessions`;
    return Number(row?.ms ?? 0);
  }

  return {
    charged,
    inLedger,
    async stop() {
      await connection.stop();
      await database.stop();
    },
    async untilSettled(wantedMs?: number): Promise<void> {
      const wanted = wantedMs ?? (await charged());
      const deadlineMs = performance.now() + PATIENCE_MS;
      while ((await inLedger()) < wanted) {
        if (performance.now() > deadlineMs) {
          throw new Error(`The ledger has not got all ${wanted} ms within ${PATIENCE_MS} ms.`);
        }
        await sleep(POLL_MS);
      }
    },
  };
}
