/**
 * Two periods of one organization draw on its extra minutes, and the word of one settling is lost:
 * what the meter is told of the other must not make it count a draw twice (rule 12).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Meter } from '../../core/meter/commands.ts';
import {
  createTestLedger,
  JUNE,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { settle } from './settle.ts';
import { settleAll } from './test-rows.ts';

let ledger: TestLedger;
let acme: TestOrganization;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

/** 2 minutes drawn in May and 2 in June of 6 that were bought, by sessions that both live on. */
beforeEach(async () => {
  await ledger.setNow(JUNE - 10 * MINUTE_MS);
  acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
  await acme.give(6 * MINUTE_MS);
  await acme.open('may');
  await acme.record('may', 3 * MINUTE_MS);
  await acme.beat('may', 3 * MINUTE_MS, 'detached');
  await ledger.setNow(JUNE + MINUTE_MS);
  await acme.open('june', 'bob');
  await acme.record('june', 3 * MINUTE_MS);
});

const fieldsOf = async (session: string) =>
  (await acme.pending()).flatMap((it) => (it.field.includes(`|${session}`) ? [it.field] : []));

/** Commits, and the meter never hears of it. */
async function settleUnheard(session: string): Promise<void> {
  const meter: Meter = { ...ledger.meter, settled: () => Promise.reject(new Error('lost')) };
  const context = { ...ledger.context, meter };
  await expect(settle(context, acme.shard, { fields: await fieldsOf(session) })).rejects.toThrow(
    'lost',
  );
}

const settleHeard = async (session: string) =>
  settle(ledger.context, acme.shard, { fields: await fieldsOf(session) });

describe('the word of one settling is lost, and another period settles', () => {
  it.each([
    { lost: 'may', heard: 'june' },
    { lost: 'june', heard: 'may' },
  ])('$lost draws once, not twice, when $heard is told', async ({ lost, heard }) => {
    expect((await acme.budget(JUNE)).extraRemainingMs).toBe(2 * MINUTE_MS);
    await settleUnheard(lost);
    expect(await settleHeard(heard)).toMatchObject({ status: 'settled', refused: 0 });
    const expected = { usedMs: 3 * MINUTE_MS, planMs: MINUTE_MS, extraMs: 2 * MINUTE_MS };
    for (const period of [MAY, JUNE]) {
      const budget = await acme.budget(period);
      expect(budget).toMatchObject({ ...expected, overageMs: 0, stoppedAt: 0 });
      expect(budget.extraRemainingMs).toBe(2 * MINUTE_MS);
    }
    // Whose word was lost is still in the set, and changes nothing when it comes.
    await settleAll(ledger, acme);
    expect(await acme.pending()).toEqual([]);
    expect((await acme.budget(JUNE)).extraRemainingMs).toBe(2 * MINUTE_MS);
  });

  it('stops nobody who has minutes left', async () => {
    await settleUnheard('may');
    await settleHeard('june');
    await acme.record('june', MINUTE_MS);
    expect(await acme.budget(JUNE)).toMatchObject({ stoppedAt: 0, remainingMs: MINUTE_MS });
    await acme.record('june', MINUTE_MS);
    expect(await acme.budget(JUNE)).toMatchObject({ usedMs: 5 * MINUTE_MS, remainingMs: 0 });
  });
});

it('tells of every period that drew on extra minutes', async () => {
  await settleAll(ledger, acme);
  await acme.record('june', MINUTE_MS);
  const told: string[] = [];
  const meter: Meter = {
    ...ledger.meter,
    settled(command) {
      told.push(...command.budgets.map((it) => it.name));
      return ledger.meter.settled(command);
    },
  };
  await settle({ ...ledger.context, meter }, acme.shard, { limit: 100 });
  // One of another test may be of the same shard.
  expect(told.filter((name) => name.includes(acme.org)).sort()).toEqual([
    `m|${acme.org}|bob|${JUNE}`,
    `o|${acme.org}|${MAY}`,
    `o|${acme.org}|${JUNE}`,
  ]);
});
