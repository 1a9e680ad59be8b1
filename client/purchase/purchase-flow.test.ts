import { expect, it } from 'vitest';
import { eventually } from '../../local/test-eventually.ts';
import type { Clock } from '../clock.ts';
import { money } from './money.ts';
import { PurchaseApi } from './purchase-api.ts';
import { PurchaseFlow } from './purchase-flow.ts';
import { PurchaseProblem } from './purchase-problem.ts';

const PACKAGES = {
  items: [
    {
      package: 'small',
      name: '60 minutes',
      grantedMs: 3_600_000,
      priceCents: 999,
      currency: 'usd',
    },
    {
      package: 'big',
      name: '600 minutes',
      grantedMs: 36_000_000,
      priceCents: 5_999,
      currency: 'usd',
    },
  ],
  payments: { provider: 'stripe', livemode: false, publishableKey: 'pk_test_1', scriptUrl: 'x:' },
};
const STARTED = { purchase: 'p1', status: 'open', method: 'paymentIntent', failure: null };

/** A gateway that answers what it is told to, one request after the other of a kind. */
function bench() {
  const asked: { what: string; key: string | null }[] = [];
  const answers: Record<string, (object | number)[]> = { packages: [PACKAGES], hold: [409] };
  /** of whom nothing is ever heard */
  const silent = new Set<string>();
  let run: () => void = () => {};
  const clock: Clock = {
    nowMs: () => 0,
    wallAt: () => 0,
    after: (_, then) => {
      run = then;
      return () => {
        if (run === then) run = () => {};
      };
    },
  };
  async function answer(url: string | URL | Request, init?: RequestInit): Promise<Response> {
    const last = new URL(String(url)).pathname.split('/').at(-1)!;
    const what = last === 'p1' ? 'look' : last;
    asked.push({ what, key: new Headers(init?.headers).get('idempotency-key') });
    if (silent.has(what)) return new Promise(() => {});
    const next = answers[what]?.shift() ?? 500;
    if (typeof next === 'object' && 'code' in next) return Response.json(next, { status: 409 });
    if (next === 0) throw new TypeError('no network');
    if (typeof next === 'number')
      return Response.json({ code: 'said', detail: '' }, { status: next });
    return Response.json(next);
  }
  let keys = 0;
  const api = new PurchaseApi({
    org: 'acme',
    url: 'wss://meter.example/v1/connect',
    getTicket: async () => 'T',
    fetch: answer as typeof fetch,
  });
  const flow = new PurchaseFlow({ api, clock, newKey: () => `K${++keys}` });
  return { flow, asked, answers, silent, tick: () => run() };
}

it('asks for the same purchase again where an answer was lost, and for another one after a no', async () => {
  const { flow, asked, answers } = bench();
  await flow.load('big');
  expect(flow.getState()).toMatchObject({ phase: 'choosing', chosen: 'big', recommended: 'big' });
  answers.purchases = [0, 422, STARTED];
  await flow.start();
  expect(flow.getState()).toMatchObject({ phase: 'choosing', trouble: { kind: 'unreachable' } });
  await flow.start();
  await flow.start();
  expect(flow.getState().phase).toBe('paying');
  const keys = asked.filter(({ what }) => what === 'purchases').map(({ key }) => key);
  expect(keys).toEqual(['K1', 'K1', 'K2']);
});

it('recommends what fits the use, and does without where nobody says so in time', async () => {
  const fits = bench();
  fits.answers.recommendation = [{ package: 'big', reason: 'asBefore', detail: '' }];
  await fits.flow.load();
  expect(fits.flow.getState()).toMatchObject({ chosen: 'big', recommended: 'big' });
  for (const said of [500, { package: null, reason: 'enough' }, { package: 'gone' }]) {
    const none = bench();
    none.answers.recommendation = [said];
    await none.flow.load();
    expect(none.flow.getState()).toMatchObject({ chosen: 'small', recommended: null });
  }
  const late = bench();
  late.silent.add('recommendation');
  const loading = late.flow.load();
  await eventually(() => expect(late.asked).toHaveLength(2));
  late.tick();
  await loading;
  expect(late.flow.getState()).toMatchObject({ phase: 'choosing', chosen: 'small' });
});

it.each([
  ['is asked for as the payment is submitted', 90_000, 1],
  ['is asked for where an older gateway does not say what the plan lends', undefined, 1],
  ['is not asked for where the plan lends none: a browser would show the refusal', 0, 0],
])('a loan %s', async (_, holdMs, times) => {
  const { flow, answers, asked } = bench();
  await flow.load();
  answers.purchases = [{ ...STARTED, ...(holdMs !== undefined && { holdMs }) }];
  await flow.start();
  await flow.submit(async () => ({ result: 'sent' }));
  expect(flow.getState().phase).toBe('confirming');
  expect(asked.filter(({ what }) => what === 'hold')).toHaveLength(times);
  flow.end();
});

it('does not take the no to an earlier card for a no to this one', async () => {
  const { flow, answers, tick } = bench();
  await flow.load();
  answers.purchases = [STARTED];
  await flow.start();
  await flow.submit(async () => ({ result: 'declined', detail: 'No funds.' }));
  expect(flow.getState()).toMatchObject({ phase: 'paying', trouble: { detail: 'No funds.' } });
  const failed = { ...STARTED, status: 'failed', failure: { code: 'declined', message: 'No.' } };
  answers.hold = [409];
  answers.look = [failed, { ...STARTED, status: 'processing' }, failed];
  await flow.submit(async () => ({ result: 'sent' }));
  const looked = async () => {
    tick();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return flow.getState().phase;
  };
  expect(await looked()).toBe('confirming');
  expect(await looked()).toBe('confirming');
  expect(await looked()).toBe('paying');
});

/** Begun, and Stripe could not be reached when it was to be paid. */
async function unanswered(test: ReturnType<typeof bench>): Promise<void> {
  await test.flow.load();
  test.answers.purchases = [STARTED];
  await test.flow.start();
  await test.flow.submit(async () => {
    throw new PurchaseProblem('unreachable', 0, 'Nobody answers.');
  });
}

it('notices a payment that was taken although nobody answered', async () => {
  const test = bench();
  await unanswered(test);
  const { flow, answers, tick } = test;
  expect(flow.getState()).toMatchObject({ phase: 'paying', trouble: { kind: 'unreachable' } });
  answers.look = [STARTED, { ...STARTED, status: 'paid' }];
  tick();
  await eventually(() => expect(answers.look).toHaveLength(1));
  expect(flow.getState()).toMatchObject({ phase: 'paying', trouble: { kind: 'unreachable' } });
  await eventually(() => {
    tick();
    expect(flow.getState()).toMatchObject({ phase: 'paid', trouble: null });
  });
});

it('says so where it was taken, and is to be let go', async () => {
  const test = bench();
  await unanswered(test);
  const { flow, answers, tick } = test;
  answers.cancel = [{ code: 'purchaseEnded', detail: 'It is paid.' }];
  answers.look = [{ ...STARTED, status: 'paid' }];
  flow.back();
  expect(flow.getState().phase).toBe('choosing');
  await eventually(() => expect(flow.getState().phase).toBe('confirming'));
  tick();
  await eventually(() => expect(flow.getState().phase).toBe('paid'));
});

it('asks nothing more once it was ended', async () => {
  const test = bench();
  await unanswered(test);
  test.flow.end();
  test.answers.look = [{ ...STARTED, status: 'paid' }];
  test.tick();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(test.asked.map(({ what }) => what)).not.toContain('look');
  expect(test.flow.getState().phase).toBe('paying');
});

it('ends a purchase that was left while it was being begun', async () => {
  const { flow, asked, answers } = bench();
  await flow.load();
  answers.purchases = [STARTED];
  const starting = flow.start();
  flow.back();
  await starting;
  expect(flow.getState()).toMatchObject({ phase: 'choosing', purchase: null });
  expect(asked.map(({ what }) => what)).toContain('cancel');
});

it('is not kept from going on by a listener that fails', async () => {
  const failures: unknown[] = [];
  const others = process.listeners('uncaughtException');
  const keep = (error: unknown) => failures.push(error);
  process.removeAllListeners('uncaughtException').on('uncaughtException', keep);
  const { flow } = bench();
  flow.subscribe(() => {
    throw new Error('view');
  });
  const phases: string[] = [];
  flow.subscribe(({ phase }) => phases.push(phase));
  await flow.load();
  await eventually(() => expect(failures.length).toBe(phases.length));
  process.removeAllListeners('uncaughtException');
  for (const other of others) process.on('uncaughtException', other);
  expect(phases.at(-1)).toBe('choosing');
});

it('writes amounts as Stripe counts them', () => {
  expect(money(999, 'usd', 'en-US')).toBe('$9.99');
  expect(money(1_500, 'jpy', 'en-US')).toBe('¥1,500');
  expect(money(1_234_000, 'kwd', 'en-US')).toMatch(/1,234\.000/);
});
