/**
 * A settle job per minute: BullMQ, and for each finished minute one job with one transaction. It does
 * what this product's ledger does for a minute: reads the period under its lock, splits the minute
 * into plan and overage, writes it once, and adds it to the sums of period, month, day and session.
 * What needs no answer before the next is sent together. Safe to repeat.
 */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { MINUTES_QUEUE, type Minute } from './minute.ts';
import { readSettings, tellCount, tellPort } from './peer.ts';

const JOBS_AT_ONCE = 50;
const CONNECTIONS = 16;

const { redisUrl, databaseUrl } = readSettings();
const sql = postgres(databaseUrl, { max: CONNECTIONS, onnotice: () => {} });
let done = 0;

async function settle(tx: postgres.TransactionSql, data: Minute): Promise<void> {
  const { org, user, session, minute, period, day, ms } = data;
  const [limits] = await tx<{ quotaMs: string; planMs: string }[]>`
    select quota_ms as "quotaMs", plan_ms as "planMs" from peer_periods
    where org = ${org} and period = ${period} for update`;
  if (!limits) throw new Error(`There is no period ${period} of ${org}.`);
  const planMs = Math.min(ms, Math.max(0, Number(limits.quotaMs) - Number(limits.planMs)));
  const overageMs = ms - planMs;
  const [written] = await tx`
    insert into peer_minutes (org, session, minute, period, user_id, day, ms, plan_ms, overage_ms)
    values (${org}, ${session}, ${minute}, ${period}, ${user}, ${day}, ${ms}, ${planMs}, ${overageMs})
    on conflict do nothing returning ms`;
  if (!written) return;
  await Promise.all([
    tx`update peer_periods set used_ms = used_ms + ${ms}, plan_ms = plan_ms + ${planMs},
      overage_ms = overage_ms + ${overageMs} where org = ${org} and period = ${period}`,
    tx`insert into peer_months as m (org, user_id, period, used_ms, minutes)
      values (${org}, ${user}, ${period}, ${ms}, 1) on conflict (org, user_id, period)
      do update set used_ms = m.used_ms + excluded.used_ms, minutes = m.minutes + 1`,
    tx`insert into peer_days as d (org, user_id, day, used_ms, minutes)
      values (${org}, ${user}, ${day}, ${ms}, 1) on conflict (org, user_id, day)
      do update set used_ms = d.used_ms + excluded.used_ms, minutes = d.minutes + 1`,
    tx`update peer_sessions set settled_ms = settled_ms + ${ms}
      where org = ${org} and session = ${session}`,
  ]);
}

const worker = new Worker<Minute>(
  MINUTES_QUEUE,
  async ({ data }) => {
    await sql.begin((tx) => settle(tx, data));
    done += 1;
  },
  {
    connection: new Redis(redisUrl, { maxRetriesPerRequest: null }),
    concurrency: JOBS_AT_ONCE,
    removeOnComplete: { count: 0 },
  },
);
await worker.waitUntilReady();
tellCount(() => done);
tellPort(0);
