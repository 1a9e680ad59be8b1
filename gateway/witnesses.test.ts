/**
 * Three witnesses know a session's time beyond the ledger: Redis, the gateway's memory, the recorder's
 * checkpoint (rules 22, 23). Every subset of them survives once, for sessions of every state: nothing
 * acknowledged is lost while one lives, and where none does, nobody is billed for more than is known.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { beginWorld, type Recorder, type TestGateway, type World } from './test-gateway.ts';

const MINUTE_MS = 60_000;
/** Beyond the minute that the ledger has, only witnesses know. */
const RECORDED_MS = 85_000;
/** Messages under way, each way, and the whole milliseconds of a few answers. */
const SLACK_MS = 60;
/** of a recorder that comes back: what passed until it was back, and until it stopped */
const BACK_MS = 2_000;

const STATES = ['recording', 'paused', 'stopping', 'ended'] as const;
type State = (typeof STATES)[number];

interface Case {
  state: State;
  redis: boolean;
  gateway: boolean;
  client: boolean;
  /** of the title */
  left: string;
}

const CASES: Case[] = STATES.flatMap((state) =>
  Array.from({ length: 8 }, (_, bits) => {
    const lives = { redis: (bits & 1) > 0, gateway: (bits & 2) > 0, client: (bits & 4) > 0 };
    const names = Object.entries(lives).flatMap(([name, isLeft]) => (isLeft ? [name] : []));
    return { state, ...lives, left: names.join(', ') || 'nobody' };
  }),
);

let world: World;
afterEach(() => world?.end());

/** Brings a new session into its state; the ledger has its first minute, and no more. */
async function begin(gateway: TestGateway, state: State): Promise<Recorder> {
  const recorder = gateway.connect({ saves: false });
  await recorder.start('acme');
  await world.pass(RECORDED_MS - 15_000);
  await world.stores.settle('acme');
  await world.pass(15_000 - 20);
  if (state === 'paused') {
    const { seq } = recorder.last('tick');
    recorder.send({ type: 'beat', seq, state: 'paused' });
    await world.pass(9_000);
  }
  if (state === 'stopping') await world.pass(1_000);
  if (state === 'ended') recorder.send({ type: 'stop' });
  await world.pass(20);
  expect(recorder.all('stop')).toHaveLength(state === 'stopping' ? 1 : 0);
  expect(recorder.all('ended')).toHaveLength(state === 'ended' ? 1 : 0);
  return recorder;
}

/** The most it was ever told to have been counted. */
function acknowledgedMs({ messages }: Recorder): number {
  const told = messages.flatMap((it) => {
    if (it.type === 'ended') return [it.summary.recordedMs];
    return 'reading' in it && it.reading && it.type !== 'refused' ? [it.reading.sessionMs] : [];
  });
  return Math.max(...told);
}

/** What the sweep does with a session that gives no sign. */
async function sweep(session: string): Promise<void> {
  const reply = await world.stores.model.readSession('acme', session);
  if (reply.status !== 'ok' || reply.session.state === 'ended') return;
  const { totalMs, lastAnswerAt } = reply.session;
  await world.stores.model.close({
    ...{ org: 'acme', session, reason: 'disconnected', gatewayWallMs: Date.now() },
    by: { sweep: { totalMs, lastAnswerAt } },
  });
}

/** Its recorder comes back with what it kept, and stops. */
async function comeBack(recorder: Recorder, at: TestGateway): Promise<Recorder> {
  const back = at.connect();
  const { session } = recorder.last('started');
  back.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
  await world.pass(BACK_MS);
  back.send({ type: 'stop' });
  await world.pass(1_000);
  return back;
}

/** What may count beyond the state it was in: time in which its recorder records, or comes back to. */
function goesOnMs({ state, left, client }: Case): number {
  if (state === 'recording') return 1_000 + (client ? BACK_MS : 0);
  // Where nobody else knows that it has ended, who resumes it records.
  return state === 'ended' && left === 'client' ? BACK_MS : 0;
}

describe.each(STATES)('of a session that is %s', (which) => {
  it.each(CASES.filter(({ state }) => state === which))(
    'of its witnesses $left is left',
    async (it) => {
      world = beginWorld();
      const quotaMs = which === 'stopping' ? RECORDED_MS : 600_000;
      world.stores.account('acme', { quotaMs });
      const gateway = world.gateway();
      const recorder = await begin(gateway, which);
      const { session } = recorder.last('started');
      const toldMs = acknowledgedMs(recorder);
      expect(toldMs).toBeGreaterThan(MINUTE_MS + 15_000);

      // All at one instant.
      if (!it.gateway) gateway.kill();
      if (!it.client || !it.gateway) recorder.cut();
      if (!it.redis) world.stores.empty();
      await world.pass(1_000);
      let backMs = 0;
      if (it.client) {
        const isHere = recorder.closed === null;
        if (isHere) recorder.send({ type: 'stop' });
        else backMs = acknowledgedMs(await comeBack(recorder, world.gateway())) || 0;
      }
      // A gateway that is left tells what it kept; then the sweep ends what nobody came back to.
      await world.pass(30_000);
      await sweep(session);
      await world.stores.settle('acme');

      const known = await world.stores.ledger.base('acme', session);
      const { chargedMs, overshootMs } = known!.base;
      const minutes = world.stores.minutes('acme', session);
      expect(minutes.reduce((sum, ms) => sum + ms, 0)).toBe(chargedMs);
      expect([...minutes].slice(0, -1).every((ms) => ms === MINUTE_MS)).toBe(true);
      const totalMs = chargedMs + overshootMs;
      if (it.left === 'nobody') {
        expect(totalMs).toBe(MINUTE_MS);
      } else {
        expect(totalMs).toBeGreaterThanOrEqual(Math.max(toldMs, backMs));
        expect(known!.base.ended).toBe(true);
      }
      expect(totalMs).toBeLessThanOrEqual(RECORDED_MS + goesOnMs(it) + SLACK_MS);
      expect(chargedMs).toBeLessThanOrEqual(quotaMs);
      const usedMs = await world.stores.usedMs('acme');
      // 0: Redis was emptied, and nobody has asked for the budget since.
      if (usedMs > 0) expect(usedMs).toBe(chargedMs);
    },
  );
});
