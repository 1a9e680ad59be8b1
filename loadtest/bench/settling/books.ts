/** What the meter has charged, what of it the ledger has, and what waits to be settled. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_FIELDS_A_JOB, QueueName, type SettlePayload } from '../../../core/jobs/queues.ts';
import { SHARDS } from '../../../core/meter/keys.ts';
import { createMeter } from '../../../core/meter/meter.ts';
import { createLog } from '../../../core/runtime/log.ts';
import { openQueue } from '../../../core/runtime/queue.ts';
import { connectMeter } from '../../../core/runtime/redis.ts';
import { connect } from '../../../drizzle/client.ts';
import { applyGrant } from '../../../drizzle/queries/apply-limits.ts';
import { extraMinutesPurchases } from '../../../drizzle/schema/extra-minutes.ts';
import type { Stand } from '../stand/stand.ts';
import { audit } from './audit.ts';
import { lotsOf, OVERLAPPING, REPLAYED, shareOf } from './work.ts';

const POLL_MS = 25;
const PATIENCE_MS = 60_000;

export type ProductBooks = ReturnType<typeof openBooks>;

export function openBooks(stand: Stand) {
  const { redisUrl, databaseUrl } = stand.stores;
  const log = createLog({ name: 'bench', level: 'silent' });
  const connection = connectMeter(redisUrl, { log, name: 'bench' });
  const meter = createMeter(connection);
  const database = connect(databaseUrl, {
    connections: 1,
    name: 'bench',
    scope: 'worker',
  });
  const { sql, db } = database;
  const jobs = openQueue<SettlePayload>({ url: redisUrl, name: QueueName.settle, log });

  async function chargedOf(): Promise<Map<string, number>> {
    await connection.ready();
    const charged = new Map<string, number>();
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const reply = await meter.shardSessions(shard);
      if (reply.status !== 'ok') throw new Error(`Shard ${shard} of the meter waits for recovery.`);
      for (const { org, chargedMs } of reply.sessions) {
        charged.set(org, (charged.get(org) ?? 0) + chargedMs);
      }
    }
    return charged;
  }

  const charged = async () => [...(await chargedOf()).values()].reduce((sum, ms) => sum + ms, 0);

  async function inLedger(): Promise<number> {
    const [row] = await sql<
      { ms: string }[]
    >`select coalesce(sum(settled_ms), 0) as ms from sessions`;
    return Number(row?.ms ?? 0);
  }

  async function isQueueEmpty(): Promise<boolean> {
    return (await jobs.queue.getJobCountByTypes('waiting', 'active', 'delayed')) === 0;
  }

  return {
    charged,
    inLedger,
    async give(orgs: readonly string[], from: Date): Promise<void> {
      const lots = lotsOf(orgs, from);
      await db.transaction(async (tx) => {
        await tx.insert(extraMinutesPurchases).values(
          lots.map((lot) => ({
            ...lot,
            purchasedAt: lot.purchasedAt.getTime(),
            source: 'import' as const,
          })),
        );
        for (const org of new Set(lots.map((lot) => lot.org))) await applyGrant(tx, org);
      });
    },
    /** Beside the jobs of the gateway: some that overlap with them, at the head; replays at the end. */
    async nameAgain(): Promise<void> {
      for (let shard = 0; shard < SHARDS; shard += 1) {
        const reply = await meter.pending(shard, { limit: Number.MAX_SAFE_INTEGER });
        if (reply.status !== 'ok')
          throw new Error(`Shard ${shard} of the meter waits for recovery.`);
        const all = reply.items.map(({ field }) => field);
        for (const [share, opts] of [
          [OVERLAPPING, { lifo: true }],
          [REPLAYED, {}],
        ] as const) {
          const fields = shareOf(all, share);
          for (let i = 0; i < fields.length; i += MAX_FIELDS_A_JOB) {
            const some = fields.slice(i, i + MAX_FIELDS_A_JOB);
            await jobs.queue.add('settle', { shard, fields: some }, opts);
          }
        }
      }
    },
    async audit(orgs: readonly string[]): Promise<void> {
      const books = {
        minutes: 'usage_tracking',
        lots: 'extra_minutes_purchases',
        burns: 'extra_minutes_usage',
      };
      await audit(sql, books, orgs, await chargedOf());
    },
    /** Until the ledger has it all, and no job is left. */
    async untilSettled(wantedMs?: number): Promise<void> {
      const wanted = wantedMs ?? (await charged());
      const deadlineMs = performance.now() + PATIENCE_MS;
      while ((await inLedger()) < wanted || !(await isQueueEmpty())) {
        if (performance.now() > deadlineMs) {
          throw new Error(`The ledger has not got all ${wanted} ms within ${PATIENCE_MS} ms.`);
        }
        await sleep(POLL_MS);
      }
    },
    async stop() {
      await jobs.stop();
      await connection.stop();
      await database.stop();
    },
  };
}
