/**
 * A settle job per minute: BullMQ, and for each finished minute one job whose statement writes the
 * minute and adds it to the sums that are kept of it. One round trip, safe to repeat, with the same
 * sums as this product's ledger: of the session, the member's day and month, and the period.
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

const worker = new Worker<Minute>(
  MINUTES_QUEUE,
  async ({ data }) => {
    const { org, user, session, minute, period, day, ms } = data;
    await sql`
      with new as (
        insert into peer_minutes (org, session, minute, period, user_id, day, ms)
        values (${org}, ${session}, ${minute}, ${period}, ${user}, ${day}, ${ms})
        on conflict do nothing returning ms
      ), periods as (
        update peer_periods set used_ms = used_ms + new.ms from new
        where org = ${org} and period = ${period}
      ), months as (
        insert into peer_months as m (org, user_id, period, used_ms, minutes)
        select ${org}, ${user}, ${period}, ms, 1 from new
        on conflict (org, user_id, period)
          do update set used_ms = m.used_ms + excluded.used_ms, minutes = m.minutes + 1
      ), days as (
        insert into peer_days as d (org, user_id, day, used_ms, minutes)
        select ${org}, ${user}, ${day}, ms, 1 from new
        on conflict (org, user_id, day)
          do update set used_ms = d.used_ms + excluded.used_ms, minutes = d.minutes + 1
      )
      update peer_sessions set settled_ms = settled_ms + new.ms from new
      where org = ${org} and session = ${session}`;
    done += 1;
  },
  {
    connection: new Redis(redisUrl, { maxRetriesPerRequest: null }),
    concurrency: JOBS_AT_ONCE,
    removeOnComplete: { count: 0 },
    autorun: false,
  },
);
await worker.waitUntilReady();
tellCount(() => done);
// Told to go on when it is stopped and woken, so that its work can be measured from its first job.
void worker.run();
tellPort(0);
