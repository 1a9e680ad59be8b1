/**
 * A settle job per minute: BullMQ, and for each finished minute one job with one transaction. It does
 * what this product's ledger does for a minute: reads the period under its lock, splits the minute
 * into plan, lots oldest first, and overage, writes it once, and adds it to the sums of period, month,
 * day and session. What needs no answer before the next is sent together. Safe to repeat.
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

/** No minute needs more: a lot has an hour at least. */
const LOTS_A_MINUTE = 2;

/** What of each lot a minute takes, oldest first; the lock on its period keeps others away. */
async function burn(
  tx: postgres.TransactionSql,
  { org }: Minute,
  ms: number,
): Promise<{ id: string; ms: number }[]> {
  const lots = await tx<{ id: string; leftMs: string }[]>`
    select id, granted_ms - used_ms as "leftMs" from peer_lots
    where org = ${org} and used_ms < granted_ms
    order by purchased_at, id limit ${LOTS_A_MINUTE} for update`;
  let rest = ms;
  return lots.flatMap(({ id, leftMs }) => {
    const part = Math.min(rest, Number(leftMs));
    rest -= part;
    return part > 0 ? [{ id, ms: part }] : [];
  });
}

async function settle(tx: postgres.TransactionSql, data: Minute): Promise<void> {
  const { org, user, session, minute, period, day, ms } = data;
  const [limits] = await tx<{ quotaMs: string; planMs: string }[]>`
    select quota_ms as "quotaMs", plan_ms as "planMs" from peer_periods
    where org = ${org} and period = ${period} for update`;
  if (!limits) throw new Error(`There is no period ${period} of ${org}.`);
  const planMs = Math.min(ms, Math.max(0, Number(limits.quotaMs) - Number(limits.planMs)));
  const burns = planMs < ms ? await burn(tx, data, ms - planMs) : [];
  const extraMs = burns.reduce((sum, it) => sum + it.ms, 0);
  const overageMs = ms - planMs - extraMs;
  const [written] = await tx`
    insert into peer_minutes (org, session, minute, period, user_id, day, ms, plan_ms, extra_ms,
      overage_ms)
    values (${org}, ${session}, ${minute}, ${period}, ${user}, ${day}, ${ms}, ${planMs}, ${extraMs},
      ${overageMs})
    on conflict do nothing returning ms`;
  if (!written) return;
  await Promise.all([
    ...burns.flatMap((it) => [
      tx`insert into peer_burns values (${org}, ${session}, ${minute}, ${period}, ${it.id}, ${it.ms})`,
      tx`update peer_lots set used_ms = used_ms + ${it.ms} where id = ${it.id}`,
    ]),
    tx`update peer_periods set used_ms = used_ms + ${ms}, plan_ms = plan_ms + ${planMs},
      extra_ms = extra_ms + ${extraMs}, overage_ms = overage_ms + ${overageMs}
      where org = ${org} and period = ${period}`,
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
