/** What recorders hear of extra minutes with an end, and when they are ticked for it; on simulated time. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Expiry } from '../core/protocol/messages.ts';
import { NOTICE_AHEAD_MS } from './lot-notices.ts';
import { beginWorld, type Recorder, type TestGateway, type World } from './test-gateway.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Longer than what is looked at: recorders are ticked for ends of lots, and seldom otherwise. */
const INTERVAL_MS = 40_000;

let world: World;
let gateway: TestGateway;
beforeEach(() => {
  world = beginWorld();
  gateway = world.gateway({ intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS });
});
afterEach(() => world.end());

const lot = (at: number, ms = 5 * MINUTE_MS, id = 'lot-1') => ({ lot: id, at, ms });
const notices = (recorder: Recorder) => recorder.all('expiry').map(({ notice }) => notice);

async function record(session?: string): Promise<Recorder> {
  const recorder = gateway.connect();
  await recorder.start('acme', { ...(session && { session }) });
  return recorder;
}

it('tells what expires next: to the first with a message, to those who follow in `started`', async () => {
  const at = Date.now() + 30 * 24 * HOUR_MS;
  world.stores.account('acme', { quotaMs: null, grantedMs: HOUR_MS });
  world.stores.date('acme', { next: lot(at) });
  const first = await record();
  const next = { at, ms: 5 * MINUTE_MS };
  expect(first.last('expiry')).toMatchObject({ notice: 'changed', extraExpires: next });
  const second = await record();
  expect(second.last('started').extraExpires).toEqual(next);
  expect(second.all('expiry')).toEqual([]);
  // It was used up, say: whoever shows it takes it away.
  world.stores.date('acme', {});
  await world.stores.grant('acme', 1);
  await world.pass(50);
  for (const recorder of [first, second]) {
    expect(recorder.last('expiry')).toMatchObject({ notice: 'changed', extraExpires: null });
  }
});

it('asks nothing where there are no extra minutes', async () => {
  world.stores.account('acme', { quotaMs: HOUR_MS });
  world.stores.date('acme', { next: lot(Date.now() + HOUR_MS) });
  const recorder = await record();
  await world.pass(1_000);
  expect(recorder.last('started').extraExpires).toBeNull();
  expect(recorder.all('expiry')).toEqual([]);
});

it('tells a day ahead, ten minutes ahead with what is left by then, and that it happened', async () => {
  const at = Date.now() + NOTICE_AHEAD_MS.minutes + 2_000;
  world.stores.account('acme', { quotaMs: null, grantedMs: HOUR_MS });
  world.stores.date('acme', { next: lot(at) });
  const recorder = await record();
  expect(notices(recorder)).toEqual(['day']);
  world.stores.date('acme', { next: lot(at, 3 * MINUTE_MS) });
  await world.pass(2_000);
  expect(notices(recorder)).toEqual(['day', 'minutes']);
  expect(recorder.last('expiry').extraExpires).toEqual({ at, ms: 3 * MINUTE_MS });
  await world.pass(NOTICE_AHEAD_MS.minutes);
  expect(notices(recorder)).toEqual(['day', 'minutes']);
  // The worker has carried it out.
  world.stores.date('acme', { expired: [lot(at, MINUTE_MS)] });
  await world.stores.grant('acme', -MINUTE_MS);
  await world.pass(50);
  expect(notices(recorder)).toEqual(['day', 'minutes', 'expired', 'changed']);
  expect(recorder.all('expiry').at(-2)).toMatchObject({
    ...{ expired: { at, ms: MINUTE_MS }, extraExpires: null },
  });
});

it('repeats after a resume what holds, by the same id, and tells nobody of what was before them', async () => {
  const at = Date.now() + 1_000;
  world.stores.account('acme', { quotaMs: null, grantedMs: HOUR_MS });
  world.stores.date('acme', { next: lot(at) });
  const recorder = await record('long');
  const before = recorder.last('expiry');
  recorder.cut();
  await world.pass(2_000);
  world.stores.date('acme', { expired: [lot(at)], next: lot(at + HOUR_MS, 1, 'lot-2') });
  await world.stores.grant('acme', 1);
  const back = gateway.connect();
  await back.resume(recorder);
  expect(notices(back)).toEqual(['expired', 'day']);
  back.cut();
  const again = gateway.connect();
  await again.resume(back);
  const ids = (of: Recorder) => of.all('expiry').map(({ id }: Expiry) => id);
  expect(ids(again)).toEqual(ids(back));
  expect(ids(again)).not.toContain(before.id);
  expect(notices(await record('new'))).toEqual(['day']);
});

it('ticks every recorder at the end of a lot and of a loan, at the instant', async () => {
  const at = Date.now() + 7_000;
  world.stores.account('acme', { quotaMs: null, grantedMs: HOUR_MS, levels: [] });
  world.stores.date('acme', { next: lot(at), holdUntil: at + 4_000 });
  const recorders = [await record('a'), await record('b')];
  const heard = () => recorders.map((it) => it.all('tick').length);
  // The first tick of each comes somewhere within its interval.
  await world.pass(at - Date.now() - 1);
  const before = heard();
  const ticked = (more: number) => before.map((ticks) => ticks + more);
  await world.pass(20);
  expect(heard()).toEqual(ticked(1));
  // Their answers prove all that was recorded up to the instant.
  const usedMs = await world.stores.usedMs('acme');
  const sinceMs = recorders.map((it) => at - it.last('started').reading.at);
  expect(usedMs).toBeGreaterThanOrEqual(sinceMs.reduce((sum, ms) => sum + ms, 0) - 20);
  await world.pass(3_970);
  expect(heard()).toEqual(ticked(1));
  await world.pass(30);
  expect(heard()).toEqual(ticked(2));
});

it('asks again where Postgres was away, and forgets who is gone', async () => {
  const at = Date.now() + HOUR_MS;
  world.stores.account('acme', { quotaMs: null, grantedMs: HOUR_MS });
  world.stores.date('acme', { next: lot(at) });
  const recorder = await record('s');
  world.stores.isLedgerAway = true;
  world.stores.date('acme', { next: lot(at + 1) });
  await world.stores.grant('acme', 1);
  await world.pass(1_000);
  expect(recorder.all('expiry')).toHaveLength(1);
  expect(gateway.logged.map(({ msg }) => msg).join()).toMatch(/when extra minutes expire/);
  world.stores.isLedgerAway = false;
  await world.pass(5_000);
  expect(recorder.last('expiry').extraExpires?.at).toBe(at + 1);
  recorder.send({ type: 'stop' });
  await world.pass(HOUR_MS);
  expect(recorder.all('expiry')).toHaveLength(2);
});
