/** The peer's settling: a queue full of minutes, each a job, and the process that works it off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { MINUTES_QUEUE, type Minute, makeTables } from '../../peers/minute.ts';
import type { Bench } from '../bench.ts';
import type { Stand } from '../stand/stand.ts';
import { openWindow } from '../stand/window.ts';
import type { Settled, Settling } from './settled.ts';

const ORGANIZATIONS = 16;
const SESSIONS = 320;
const MINUTES_A_SESSION = 16;
const QUOTA_MS = 1e12;
const JOBS_AT_ONCE = 1_000;
const POLL_MS = 25;
const PERIOD = '2026-01-01T00:00:00Z';
const DAY = '2026-01-01';

export async function openJobs(bench: Bench, stand: Stand): Promise<Settling> {
  const { redisUrl, adminUrl } = stand.stores;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  await makeTables(sql);
  for (let i = 0; i < SESSIONS; i += 1) {
    const org = `org-${i % ORGANIZATIONS}`;
    await sql`insert into peer_periods (org, period, quota_ms)
      values (${org}, ${PERIOD}, ${QUOTA_MS}) on conflict do nothing`;
    await sql`insert into peer_sessions values (${org}, ${`session-${i}`}, 0)`;
  }
  await sql.end();
  const peer = await stand.peer('minute-jobs', '');
  peer.halt();
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const queue = new Queue<Minute>(MINUTES_QUEUE, {
    connection,
    defaultJobOptions: { removeOnComplete: true, attempts: 3 },
  });
  bench.onEnd(async () => {
    await queue.close();
    connection.disconnect();
  });
  let nextMinute = 0;

  /** The next minutes of every session, as they would come: a minute of all, then the next. */
  async function fill(): Promise<number> {
    const minutes = Array.from({ length: MINUTES_A_SESSION * SESSIONS }, (_, i): Minute => {
      const session = i % SESSIONS;
      return {
        ...{ org: `org-${session % ORGANIZATIONS}`, user: `member-${session}` },
        ...{ session: `session-${session}`, minute: nextMinute + Math.floor(i / SESSIONS) },
        ...{ period: PERIOD, day: DAY, ms: 60_000 },
      };
    });
    nextMinute += MINUTES_A_SESSION;
    for (let i = 0; i < minutes.length; i += JOBS_AT_ONCE) {
      const some = minutes.slice(i, i + JOBS_AT_ONCE);
      await queue.addBulk(some.map((data) => ({ name: 'minute', data })));
    }
    return minutes.length;
  }

  let done = 0;
  return {
    name: 'a job a minute',
    async round(): Promise<Settled> {
      const minutes = await fill();
      const wanted = done + minutes;
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
  };
}
