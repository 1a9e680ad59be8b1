/** The peer's settling: a queue full of minutes, each a job, and the process that works it off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { MINUTES_QUEUE, type Minute, makeTables } from '../../peers/minute.ts';
import type { Bench } from '../bench.ts';
import type { Stand } from '../stand/stand.ts';
import { openWindow } from '../stand/window.ts';
import { audit } from './audit.ts';
import type { Settled, Settling } from './settled.ts';
import {
  lotsOf,
  MINUTE_MS,
  ORGANIZATIONS,
  OVERLAPPING,
  quotaOf,
  REPLAYED,
  SESSIONS,
  shareOf,
} from './work.ts';

const MINUTES_A_SESSION = 16;
const JOBS_AT_ONCE = 1_000;
const POLL_MS = 25;
const PERIOD = '2026-01-01T00:00:00Z';
const DAY = '2026-01-01';

export async function openJobs(bench: Bench, stand: Stand): Promise<Settling> {
  const { redisUrl, adminUrl } = stand.stores;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  const orgs = Array.from({ length: ORGANIZATIONS }, (_, i) => `org-${i}`);
  await makeTables(sql);
  for (const [i, org] of orgs.entries()) {
    await sql`insert into peer_periods (org, period, quota_ms)
      values (${org}, ${PERIOD}, ${quotaOf(i)})`;
  }
  for (let i = 0; i < SESSIONS; i += 1) {
    await sql`insert into peer_sessions values (${orgs[i % ORGANIZATIONS]!}, ${`session-${i}`}, 0)`;
  }
  for (const { id, org, grantedMs, purchasedAt } of lotsOf(orgs, new Date(PERIOD))) {
    await sql`insert into peer_lots (id, org, granted_ms, purchased_at)
      values (${id}, ${org}, ${grantedMs}, ${purchasedAt})`;
  }
  const peer = await stand.peer('minute-jobs', '');
  peer.halt();
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const queue = new Queue<Minute>(MINUTES_QUEUE, {
    connection,
    defaultJobOptions: { removeOnComplete: true, attempts: 3 },
  });
  bench.onEnd(async () => {
    await sql.end();
    await queue.close();
    connection.disconnect();
  });
  let nextMinute = 0;

  async function add(minutes: readonly Minute[], opts: { lifo?: true } = {}): Promise<number> {
    for (let i = 0; i < minutes.length; i += JOBS_AT_ONCE) {
      const some = minutes.slice(i, i + JOBS_AT_ONCE);
      await queue.addBulk(some.map((data) => ({ name: 'minute', data, opts })));
    }
    return minutes.length;
  }

  /** The next minutes of every session, as they would come: a minute of all, then the next. */
  async function fill(): Promise<{ minutes: number; jobs: number }> {
    const minutes = Array.from({ length: MINUTES_A_SESSION * SESSIONS }, (_, i): Minute => {
      const session = i % SESSIONS;
      return {
        ...{ org: `org-${session % ORGANIZATIONS}`, user: `member-${session}` },
        ...{ session: `session-${session}`, minute: nextMinute + Math.floor(i / SESSIONS) },
        ...{ period: PERIOD, day: DAY, ms: MINUTE_MS },
      };
    });
    nextMinute += MINUTES_A_SESSION;
    let jobs = await add(minutes);
    jobs += await add(shareOf(minutes, OVERLAPPING), { lifo: true });
    jobs += await add(shareOf(minutes, REPLAYED));
    return { minutes: minutes.length, jobs };
  }

  let done = 0;
  return {
    name: 'a job a minute',
    async round(): Promise<Settled> {
      const { minutes, jobs } = await fill();
      const wanted = done + jobs;
      const window = openWindow(stand.pids);
      peer.wake();
      do {
        await sleep(POLL_MS);
        done = await peer.done();
      } while (done < wanted);
      const { lengthMs, cpuMs } = window.close();
      peer.halt();
      const { redis = 0, postgres: store = 0 } = cpuMs;
      const settler = cpuMs['minute-jobs'] ?? 0;
      return { minutes, tookMs: lengthMs, cpuMs: { settler, redis, postgres: store } };
    },
    audit() {
      const ms = (nextMinute * MINUTE_MS * SESSIONS) / ORGANIZATIONS;
      const books = { minutes: 'peer_minutes', lots: 'peer_lots', burns: 'peer_burns' };
      return audit(sql, books, orgs, new Map(orgs.map((org) => [org, ms])));
    },
  };
}
