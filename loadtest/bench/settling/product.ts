/** The product's own settling: a gateway makes minutes, the worker brings them into the ledger. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBackend } from '../../backend-api.ts';
import type { Bench } from '../bench.ts';
import { API_KEY, namesOf } from '../stand/load.ts';
import type { Stand } from '../stand/stand.ts';
import { openWindow } from '../stand/window.ts';
import { openBooks } from './books.ts';
import type { Settled, Settling } from './settled.ts';
import { MINUTE_MS, quotaOf, SESSIONS, SESSIONS_AN_ORGANIZATION } from './work.ts';

const INTERVAL_MS = 200;
/** At 1,000 meter seconds a second: 320 sessions finish 5,333 minutes in each of these. */
const BACKLOG_MS = 3_000;
/** A gateway gathers fields for a moment before it names them in a job. */
const GATHERED_MS = 600;
const PAUSED_MS = 500;
/** They are no part of settling, and a worker that was halted would begin with them whenever woken. */
const NEVER = { RECONCILE_MS: '3600000', SESSION_SWEEP_MS: '3600000' };
const NAME = 'settling';

export async function openProductSettling(bench: Bench, stand: Stand): Promise<Settling> {
  const worker = await stand.worker('server', { env: NEVER });
  const gateway = await stand.gateway('gateway', {
    env: { TICK_INTERVAL_MS: String(INTERVAL_MS) },
  });
  const crowd = await stand.crowd('crowd');
  const { port } = gateway;
  const sessions = namesOf(NAME, SESSIONS, SESSIONS_AN_ORGANIZATION);
  const orgs = [...new Set(sessions.map(({ org }) => org))];
  await connectBackend(`http://127.0.0.1:${port}`, API_KEY).prepare(
    NAME,
    orgs.map((org, i) => ({ org, quotaMs: quotaOf(i), recorders: [] })),
  );
  const books = openBooks(stand);
  bench.onEnd(books.stop);
  await books.give(orgs, new Date());
  const how = { dialect: 'taximeter', port, apiKey: API_KEY, overMs: 0, patienceMs: null } as const;
  await crowd.open({ target: NAME, sessions, ...how });
  await crowd.state({ target: NAME, isPaused: true });
  await sleep(PAUSED_MS);
  gateway.halt();

  return {
    name: 'this product',
    async round(): Promise<Settled> {
      worker.wake();
      await books.untilSettled();
      const before = await books.inLedger();
      worker.halt();
      gateway.wake();
      await crowd.state({ target: NAME, isPaused: false });
      await sleep(BACKLOG_MS);
      // A paused session's open minute is written too: what the meter has is what will be settled.
      await crowd.state({ target: NAME, isPaused: true });
      await sleep(GATHERED_MS);
      gateway.halt();
      await books.nameAgain();
      const wanted = await books.charged();
      const window = openWindow(stand.pids);
      worker.wake();
      await books.untilSettled(wanted);
      const { lengthMs, cpuMs } = window.close();
      const minutes = (wanted - before) / MINUTE_MS;
      const { redis = 0, postgres = 0 } = cpuMs;
      return { minutes, tookMs: lengthMs, cpuMs: { settler: cpuMs.worker ?? 0, redis, postgres } };
    },
    audit: () => books.audit(orgs),
  };
}
