/**
 * Top-ups at a Stripe that breaks: one by one, and random histories of it. `RUNS` and `SEED` try others.
 */
import { and, desc, eq } from 'drizzle-orm';
import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Dice, diceOf } from '../../core/meter/schedule.ts';
import { payments, stripeCustomers } from '../../drizzle/schema/payments.ts';
import { topUps } from '../../drizzle/schema/top-ups.ts';
import { takeEvent } from '../../payments/take-event.ts';
import { type FakeStripe, startFakeStripe } from '../../payments/testing/fake-stripe.ts';
import type { Fault } from '../../payments/testing/faults.ts';
import { createTestLedger, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { beginTopUp } from './begin.ts';
import { type CarryOutDeps, carryOutTopUp } from './carry-out.ts';

const RUNS = Number(process.env.RUNS ?? 8);
const SEED = Number(process.env.SEED ?? 20_261_122);
const INTENTS = '/v1/payment_intents';
const CONFIRMATION = /\/confirm$/;
const HOUR_MS = 60 * MINUTE_MS;
/** Longer than the longest pause between two tries. */
const PAUSE_MS = 6 * MINUTE_MS;
/** After it a top-up that has no answer is given up. */
const WANTED_MS = 23 * HOUR_MS;

let ledger: TestLedger;
let fake: FakeStripe;
let deps: CarryOutDeps;
let org = '';
let now = Date.UTC(2026, 4, 30, 12);
beforeAll(async () => {
  ledger = await createTestLedger();
  fake = await startFakeStripe({ now: () => now, seed: 7 });
  const { context, connection } = ledger;
  // Its own repeats would wait in real time, and are but more of the same tries.
  const stripe = new Stripe(fake.secretKey, {
    ...{ host: fake.host, port: fake.port, protocol: 'http', maxNetworkRetries: 0 },
  });
  const clock = { wallMs: () => now, meterNow: async () => now };
  deps = { db: context.db, log: context.log, livemode: false, stripe, ...clock };
  ({ org } = await ledger.account({}));
  const { id: customer } = await fake.stripe.customers.create({ name: org });
  const { id: paymentMethod } = await fake.stripe.paymentMethods.attach('pm_card_visa', {
    customer,
  });
  await connection.db
    .insert(stripeCustomers)
    .values({ org, customer, livemode: false, paymentMethod });
  await connection.db.insert(topUps).values({
    ...{ org, enabled: true, package: 'minutes-60', thresholdMs: MINUTE_MS, coolOffMs: 0 },
    ...{ monthlyCapCents: 100_000_000, currency: 'usd' },
  });
});
afterEach(() => fake.faults.clear());
afterAll(async () => {
  await fake.stop();
  await ledger.stop();
});

async function begin(): Promise<string> {
  const fresh = { enabled: true, failures: 0, pausedUntil: null, lastAt: null };
  const settings = { ...fresh, judged: topUps.attempts };
  await deps.db.update(topUps).set(settings).where(eq(topUps.org, org));
  expect(await beginTopUp(deps, org, now)).toBe(true);
  return (await newest()).id;
}
async function newest() {
  const [row] = await deps.db
    .select()
    .from(payments)
    .where(and(eq(payments.org, org), eq(payments.kind, 'topUp')))
    .orderBy(desc(payments.attempt))
    .limit(1);
  return row!;
}
const carryOut = () => carryOutTopUp(deps, org);
/** How often money was taken for it. */
const charged = (purchase: string) =>
  [...fake.account.intents.values()].filter(
    (it) => it.metadata.purchase === purchase && it.status === 'succeeded',
  ).length;
const hear = (event: (typeof fake.account.events)[number]) =>
  deps.db.transaction((tx) => takeEvent(tx, event, now));

describe('a top-up at which Stripe breaks', () => {
  it.each([
    ['makes nothing', INTENTS, undefined],
    ['makes it all the same', INTENTS, 'now'],
    ['makes it later', INTENTS, 'later'],
    ['takes nothing', CONFIRMATION, undefined],
    ['takes the money all the same', CONFIRMATION, 'now'],
    ['takes the money later', CONFIRMATION, 'later'],
  ] as const)('and %s is paid within minutes, and once', async (_what, path, done) => {
    const from = fake.account.events.length;
    const purchase = await begin();
    // Under the first key it answers so for a day, and what comes next meets the same.
    for (let i = 0; i < 2; i++) {
      fake.faults.add({ method: 'POST', path, error: { status: 500 }, ...(done && { done }) });
    }
    await carryOut();
    now += PAUSE_MS;
    await carryOut();
    fake.faults.doLate();
    expect([(await newest()).status, charged(purchase)]).toEqual(['paid', 1]);
    for (const event of fake.account.events.slice(from)) await hear(event);
    expect([(await newest()).status, charged(purchase)]).toEqual(['paid', 1]);
  });

  it('and that nobody could carry out for a day takes no money any more', async () => {
    const purchase = await begin();
    fake.faults.add({ method: 'POST', path: CONFIRMATION, error: { status: 500 }, times: 2 });
    await carryOut();
    now += WANTED_MS + PAUSE_MS;
    await carryOut();
    expect([(await newest()).status, charged(purchase)]).toEqual(['canceled', 0]);
    const all = [...fake.account.intents.values()].filter(
      ({ metadata }) => metadata.purchase === purchase,
    );
    expect(all.map(({ status }) => status)).toEqual(['canceled']);
  });

  it('and that a version before this asked for is looked up, and asked for in no other words', async () => {
    const purchase = await begin();
    const { customer, paymentMethod } = await newest();
    const before = {
      ...{ amount: 999, currency: 'usd', customer: customer!, payment_method: paymentMethod! },
      ...{ off_session: true, confirm: true, metadata: { purchase, org } },
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' as const },
    };
    fake.faults.add({ method: 'POST', path: INTENTS, error: { status: 500 }, done: 'later' });
    const idempotencyKey = `top-up-${purchase}`;
    await deps.stripe.paymentIntents.create(before, { idempotencyKey }).catch(() => {});
    for (let i = 0; i < 5; i++) {
      await carryOut();
      now += PAUSE_MS;
    }
    expect(await newest()).toMatchObject({ status: 'open', paymentIntent: null });
    fake.faults.doLate();
    await carryOut();
    expect([(await newest()).status, charged(purchase)]).toEqual(['paid', 1]);
  });
});

const BREAKS: readonly Pick<Fault, 'error' | 'done' | 'cut'>[] = [
  { error: { status: 500 } },
  { error: { status: 500 }, done: 'now' },
  { error: { status: 500 }, done: 'later' },
  { error: { status: 503 } },
  { error: { status: 429 } },
];
const LOST: typeof BREAKS = [{ cut: 'before' }, { cut: 'after' }];

function breakSomething(dice: Dice): void {
  const path = dice.pick([INTENTS, CONFIRMATION, CONFIRMATION, /^\/v1\/payment_intents/]);
  // Stripe's library waits half a second after a cut.
  const how = dice.pick(dice.chance(0.1) ? LOST : BREAKS);
  fake.faults.add({ path, ...how, times: 1 + dice.below(4) });
}

async function step(dice: Dice, from: number): Promise<void> {
  if (dice.chance(0.8)) breakSomething(dice);
  if (dice.chance(0.1)) fake.faults.clear();
  if (dice.chance(0.2)) fake.faults.doLate();
  if (dice.chance(0.3)) {
    const since = fake.account.events.slice(from);
    if (since.length > 0) await hear(dice.pick(since));
  }
  // Who has it may have died: another one takes it after its lease.
  await Promise.all([carryOut(), ...(dice.chance(0.3) ? [carryOut()] : [])]);
  now += dice.pick([3_000, 61_000, PAUSE_MS, 2 * HOUR_MS, 9 * HOUR_MS]);
}

describe('any history of a top-up', () => {
  it(
    'takes its money once at most, and is over as soon as Stripe answers again',
    async () => {
      const asked = fake.asked.length;
      for (let i = 0; i < RUNS; i++) {
        const seed = (SEED + Math.imul(i, 2_654_435_761)) >>> 0;
        const dice = diceOf(seed);
        const from = fake.account.events.length;
        const purchase = await begin();
        for (let left = 2 + dice.below(6); left > 0; left--) await step(dice, from);
        fake.faults.clear();
        now += PAUSE_MS;
        await carryOut();
        fake.faults.doLate();
        const about = `SEED=${seed} RUNS=1`;
        const said = await newest();
        expect(['paid', 'canceled'], about).toContain(said.status);
        if (now - said.createdAt <= WANTED_MS) expect(said.status, about).toBe('paid');
        for (const event of fake.account.events.slice(from)) await hear(event);
        const { status, id } = await newest();
        expect([id, status], about).toEqual([purchase, said.status]);
        expect(charged(purchase), about).toBe(status === 'paid' ? 1 : 0);
      }
      // That there was something to get wrong.
      const broken = fake.asked.slice(asked).filter((it) => it.status === 500).length;
      expect(broken).toBeGreaterThan(RUNS);
    },
    30_000 + RUNS * 1_000,
  );
});
