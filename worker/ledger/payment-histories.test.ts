/**
 * Random lives of purchases against a model that was written from the rules in words: in memory, and
 * through Postgres and the worker. `RUNS` and `SEED` try others.
 */
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diceOf } from '../../core/meter/schedule.ts';
import { openLot } from '../../payments/take-fact.ts';
import { FULL_STORY } from '../../payments/test-stories.ts';
import { createTestLedger, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { carryOut } from './grant.ts';
import { type History, type HistoryStep, historyOf, shuffle } from './test-histories.ts';
import { HistoryLot } from './test-history-lot.ts';
import { HistoryModel, type Worth } from './test-history-model.ts';
import { startPayment, takeFacts } from './test-payments.ts';

const RUNS = Number(process.env.RUNS ?? 10_000);
const SEED = Number(process.env.SEED ?? 20_261_121);
const IN_POSTGRES = Math.ceil(RUNS / 80);
const LANES = 4;

const seedOf = (i: number) => (SEED + Math.imul(i, 2_654_435_761)) >>> 0;

function take(one: HistoryLot | HistoryModel, step: HistoryStep): void {
  if (step.do === 'fact') one.hear(step.fact);
  else if (step.do === 'use') one.use(step.ms);
  else if (step.do === 'takeBack') one.takeBack(step.ms);
  else if (step.do === 'endHold') one.endHold();
  else one.carryOut();
}

/** What the two first differ in; null: nothing. */
function difference(history: History): string | null {
  const [product, model] = [new HistoryLot(history), new HistoryModel(history)];
  const steps: HistoryStep[] = [...history.steps, { do: 'carryOut' }];
  for (const [i, step] of steps.entries()) {
    take(product, step);
    take(model, step);
    const [is, should] = [product.worth(), model.worth()];
    if (is.leftMs === should.leftMs && is.debtMs === should.debtMs) continue;
    return JSON.stringify({ is, should, ...history, steps: steps.slice(0, i + 1) });
  }
  return null;
}

describe('any life of a purchase', () => {
  it('leaves the minutes and the debt that the rules say', () => {
    let [debts, lefts] = [0, 0];
    for (let i = 0; i < RUNS; i++) {
      const history = historyOf(diceOf(seedOf(i)));
      const found = difference(history);
      if (found !== null) throw new Error(`SEED=${seedOf(i)} RUNS=1: ${found}`);
      const model = new HistoryModel(history);
      for (const step of history.steps) take(model, step);
      const { leftMs, debtMs } = model.worth();
      debts += Number(debtMs > 0);
      lefts += Number(leftMs > 0);
    }
    if (RUNS < 100) return;
    // That there was something to get wrong.
    expect(debts).toBeGreaterThan(RUNS / 50);
    expect(lefts).toBeGreaterThan(RUNS / 10);
  });
});

describe('in Postgres, by whatever comes and a worker that carries it out now and then', () => {
  let ledger: TestLedger;
  beforeAll(async () => {
    ledger = await createTestLedger();
    // Many lives are of one organization here, which may have one loan at a time.
    const admin = postgres(ledger.database.adminUrl, { max: 1, onnotice: () => {} });
    await admin`drop index payments_one_hold`;
    await admin.end();
  });
  afterAll(() => ledger.stop());

  interface Life {
    payment: string;
    steps: HistoryStep[];
    model: HistoryModel;
  }

  async function begin(org: string, history: History): Promise<Life> {
    const { holdMs, grantedMs, amountCents, steps } = history;
    const hold = holdMs === 0 ? {} : { holdMs, holdUntil: ledger.now + MINUTE_MS };
    const of = { grantedMs, amountCents, ...hold };
    const payment = await startPayment(ledger, { org }, of);
    if (holdMs > 0) await ledger.connection.db.transaction((tx) => openLot(tx, payment));
    return { payment, steps, model: new HistoryModel(history) };
  }

  async function takeStep({ payment, model }: Life, step: HistoryStep): Promise<void> {
    const { db } = ledger.connection;
    if (step.do === 'fact') await takeFacts(ledger, payment, [step.fact]);
    if (step.do === 'use') {
      await db.execute(sql`
        update extra_minutes_purchases set used_ms = used_ms
          + greatest(0, least(${step.ms}, granted_ms - reversed_ms - used_ms))
        where id = ${payment} and frozen_at is null`);
    }
    if (step.do === 'endHold') {
      await db.execute(sql`
        update payments set hold_ended_at = now() where id = ${payment} and paid_at is null
          and hold_ms > 0`);
    }
    // Of many lives at once: it is carried out for all of them.
    if (step.do !== 'takeBack' && step.do !== 'carryOut') take(model, step);
  }

  async function worths(org: string): Promise<Map<string, Worth>> {
    const rows = await ledger.connection.sql<(Worth & { id: string })[]>`
      select id, debt_ms as "debtMs", case when frozen_at is not null then 0
        else greatest(0, granted_ms - reversed_ms - used_ms) end as "leftMs"
      from extra_minutes_purchases where org = ${org}`;
    return new Map(rows.map(({ id, leftMs, debtMs }) => [id, { leftMs, debtMs }]));
  }

  /** A step of each life a round, some at the same time; all of them lots of one organization. */
  async function live(histories: readonly History[], dice = diceOf(SEED)): Promise<Life[]> {
    const { org } = await ledger.account({ plan: { quotaMs: 0 } });
    const lives: Life[] = [];
    for (const history of histories) lives.push(await begin(org, history));
    const rounds = Math.max(...lives.map(({ steps }) => steps.length));
    for (let round = 0; round < rounds; round++) {
      const waiting = lives.filter(({ steps }) => round < steps.length);
      const lane = async () => {
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
          await takeStep(next, next.steps[round]!);
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      if (round < rounds - 1 && !dice.chance(0.3)) continue;
      expect(await carryOut(ledger.context, org, ledger.now)).toBe(true);
      const found = await worths(org);
      for (const { payment, model, steps } of lives) {
        model.carryOut();
        const is = found.get(payment) ?? { leftMs: 0, debtMs: 0 };
        expect(is, JSON.stringify(steps.slice(0, round + 1))).toEqual(model.worth());
      }
    }
    return lives;
  }

  it('random lives leave what the model says', async () => {
    const histories = Array.from({ length: IN_POSTGRES }, (_, i) => historyOf(diceOf(seedOf(i))));
    await live(histories);
  });

  it.each(FULL_STORY)('$title: in any order, doubled, the same lot', async ({ facts, lot }) => {
    const dice = diceOf(SEED);
    const orders = Array.from({ length: 4 }, () => {
      const steps = [...facts, ...facts].map((fact): HistoryStep => ({ do: 'fact', fact }));
      shuffle(steps, dice);
      return { grantedMs: 600_000, amountCents: 1000, holdMs: 0, steps };
    });
    for (const { payment } of await live(orders, dice)) {
      const [row] = await ledger.connection.sql`
        select reversed_ms as "reversedMs", frozen_at is not null as "isFrozen",
          held_at is not null as "isHeld", debt_ms as "debtMs"
        from extra_minutes_purchases where id = ${payment}`;
      expect(row).toEqual({ ...lot, debtMs: 0 });
    }
  });
});
