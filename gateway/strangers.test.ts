/**
 * Every message a client may say, with the ids and checkpoints of somebody else, over real sockets on
 * two gateways; tickets shown twice at once; and what a suspension does to those who are in.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientMessages } from '../core/protocol/tables.ts';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

const REACHED_MS = 5_000;
let product: TestProduct;
let owners: Account;
let others: Account;
let victim: TestRecorder;
let session: string;
beforeAll(async () => {
  product = await startTestProduct({ gateways: 2, intervalMs: 100 });
  owners = await createAccount(product, { minutes: 60 });
  others = await createAccount(product, { minutes: 60 });
  victim = await connect();
  ({ session } = await victim.start({ ticket: await owners.ticket('ann') }));
}, 120_000);
afterAll(() => product?.stop());

const connect = (gateway = 0) => connectRecorder(product.gateways[gateway]!.connectUrl);

/** Refused with this code; what it was told holds nothing of the victim but the id it named. */
async function refused(recorder: TestRecorder, message: object): Promise<string> {
  recorder.send(message);
  const { code } = await recorder.next('refused');
  expect(JSON.stringify(recorder.messages)).not.toContain(owners.org);
  await recorder.closed;
  return code;
}

/** What strangers may try with each message; a new one must be tried as well. */
const TRIES: Record<string, [title: string, attempt: () => Promise<void>][]> = {
  start: [
    [
      'with its id starts a session of one’s own, in one’s own organization',
      async () => {
        const recorder = await connect(1);
        const ticket = await others.ticket('ann');
        const started = await recorder.start({ ticket, session });
        expect(started).toMatchObject({ session, resumed: false });
        expect((await recorder.stop()).summary.recordedMs).toBeLessThan(5_000);
      },
    ],
    [
      'with its id as a colleague is told that there is none',
      async () => {
        const ticket = await owners.ticket('bob');
        const recorder = await connect(1);
        recorder.send({ type: 'start', ticket, session });
        expect((await recorder.next('refused')).code).toBe('sessionUnknown');
      },
    ],
  ],
  resume: [
    [
      'with a ticket of another organization is told that there is none',
      async () => {
        const strangers = await createAccount(product, { minutes: 60 });
        const ticket = await strangers.ticket('ann');
        const code = await refused(await connect(1), { type: 'resume', session, ticket });
        expect(code).toBe('sessionUnknown');
      },
    ],
    [
      'with its checkpoint and a ticket of another organization too',
      async () => {
        const ticket = await others.ticket('ann');
        const message = { type: 'resume', session, checkpoint: victim.checkpoint(), ticket };
        expect(await refused(await connect(1), message)).toBe('sessionUnknown');
      },
    ],
    [
      'with its checkpoint for a session of one’s own is refused',
      async () => {
        const own = await connect();
        const started = await own.start({ ticket: await others.ticket('eve') });
        const message = {
          type: 'resume',
          session: started.session,
          checkpoint: victim.checkpoint(),
        };
        expect(await refused(await connect(1), message)).toBe('checkpointInvalid');
        await own.stop();
      },
    ],
    [
      'with a checkpoint that was altered is refused',
      async () => {
        const right = victim.checkpoint();
        for (const at of [3, Math.floor(right.length / 2), right.length - 3]) {
          const letter = right[at] === 'A' ? 'B' : 'A';
          const checkpoint = `${right.slice(0, at)}${letter}${right.slice(at + 1)}`;
          const code = await refused(await connect(1), { type: 'resume', session, checkpoint });
          expect(code).toBe('checkpointInvalid');
        }
      },
    ],
    [
      'with nothing but its id is told to get a ticket',
      async () => {
        expect(await refused(await connect(1), { type: 'resume', session })).toBe('ticketStale');
      },
    ],
  ],
  beat: [],
  stop: [],
  saved: [],
};
/** They speak of the connection's own session, whatever else they name. */
for (const [type, fields] of [
  ['beat', { seq: 0, state: 'paused' }],
  ['stop', {}],
  ['saved', { ok: true }],
] as const) {
  const naming = () => ({ type, ...fields, session, org: owners.org, user: 'ann' });
  TRIES[type]!.push([
    'that names it says so of one’s own alone',
    async () => {
      const recorder = await connect();
      await recorder.start({ ticket: await others.ticket('eve') });
      recorder.send(naming());
      if (type === 'beat') await recorder.stop();
      else await recorder.next('ended');
    },
  ]);
  TRIES[type]!.push([
    'that names it before a session is a mistake',
    async () => {
      const recorder = await connect();
      recorder.send(naming());
      expect((await recorder.closed).code).toBe(4506);
    },
  ]);
}

describe('of every message', () => {
  it('something is tried', () => {
    expect(Object.keys(TRIES).sort()).toEqual([...clientMessages.keys()].sort());
    for (const tries of Object.values(TRIES)) expect(tries.length).toBeGreaterThan(1);
  });

  for (const [type, tries] of Object.entries(TRIES)) {
    it.each(tries)(`"${type}" %s`, async (_, attempt) => {
      await attempt();
      // Whose it is notices nothing: it is metered on, on the same connection.
      const ticks = victim.messages.filter((it) => it.type === 'tick').length;
      await victim.next('tick', ({ seq }) => seq > ticks + 1);
      const types = new Set(victim.messages.map((it) => it.type));
      expect([...types].sort()).toEqual(['started', 'tick']);
    });
  }

  it('and the victim’s account is its own to the millisecond', async () => {
    const { summary } = await victim.stop();
    const path = `/v1/orgs/${owners.org}/usage`;
    const usedMs = async () => (await product.api<{ usedMs: number }>('GET', path)).usedMs;
    expect(await until(usedMs, (ms) => ms === summary.recordedMs)).toBe(summary.recordedMs);
  });
});

describe('a ticket', () => {
  it('that is shown to two gateways at once lets exactly one in, each time', async () => {
    for (let round = 0; round < 10; round++) {
      const ticket = await others.ticket(`racer-${round}`);
      const both = await Promise.all([connect(0), connect(1), connect(0), connect(1)]);
      for (const recorder of both) recorder.send({ type: 'start', ticket });
      const answers = await Promise.all(
        both.map((it) =>
          it.next('started').then(
            () => 'in',
            async () => String((await it.closed).code),
          ),
        ),
      );
      expect(answers.sort()).toEqual(['4004', '4004', '4004', 'in']);
      for (const recorder of both) recorder.cut();
    }
  });

  it('is used up by a connect that it was refused for', async () => {
    const ticket = await others.ticket('ann', { session: 'only-this' });
    const first = await connect();
    first.send({ type: 'start', ticket, session: 'another' });
    expect((await first.next('refused')).code).toBe('ticketInvalid');
    const again = await connect(1);
    again.send({ type: 'start', ticket });
    expect((await again.next('refused')).code).toBe('ticketStale');
  });
});

it('a suspension reaches everyone who is in, on all gateways, within five seconds', async () => {
  const account = await createAccount(product, { minutes: 60 });
  const recorders = await Promise.all([connect(0), connect(1), connect(0), connect(1)]);
  for (const [i, it] of recorders.entries()) {
    await it.start({ ticket: await account.ticket(`member-${i}`) });
  }
  const at = performance.now();
  const suspended = { name: account.org, plan: account.plan, suspended: true };
  await product.api('PUT', `/v1/orgs/${account.org}`, suspended);
  const stops = await Promise.all(recorders.map((it) => it.next('stop')));
  expect(performance.now() - at).toBeLessThan(REACHED_MS);
  expect(new Set(stops.map(({ reason }) => reason))).toEqual(new Set(['organizationSuspended']));
  for (const recorder of recorders) expect((await recorder.closed).code).toBe(4508);
  // Neither a ticket nor what was left of the last connection lets anybody back in.
  const last = recorders[0]!;
  const { session: id } = last.messages.find((it) => it.type === 'started')!;
  const back = await connect(1);
  back.send({ type: 'resume', session: id, checkpoint: last.checkpoint() });
  expect((await back.next('refused')).code).toBe('sessionEnded');
});
