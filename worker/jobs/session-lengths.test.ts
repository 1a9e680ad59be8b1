/** A plan's longest length, told to sessions that run (rule 7 of core/meter/README.md). */
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sessionBudget } from '../../core/meter/budget-name.ts';
import { applyPlan } from '../../drizzle/queries/apply-limits.ts';
import { plans } from '../../drizzle/schema/plans.ts';
import { sessionLengths } from '../../drizzle/schema/session-terms.ts';
import { createTestLedger, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { deliver } from './outbox.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

it('a change of plan reaches those that run, and leaves a length of a session’s own', async () => {
  const { db } = ledger.connection;
  const acme = await ledger.account();
  await acme.open('s1');
  await acme.open('s2');
  await db.insert(sessionLengths).values({ org: acme.org, session: 's2', longestMs: 90_000 });
  const { meter } = ledger;
  const own = { org: acme.org, session: 's2', limitMs: 90_000, version: 1, levels: [] };
  expect(await meter.extend(own)).toMatchObject({ status: 'ok' });

  const setLongest = (values: Partial<typeof plans.$inferInsert>) =>
    db.transaction(async (tx) => {
      await tx.update(plans).set(values).where(eq(plans.id, acme.plan));
      await applyPlan(tx, acme.plan, ledger.now);
    });
  const lengths = async () => {
    const names = ['s1', 's2'].map((session) => sessionBudget(acme.org, session));
    const reply = await meter.readBudgets(acme.org, names);
    return reply.status === 'ok' ? reply.budgets.map((row) => row?.quotaMs) : reply.status;
  };
  await setLongest({ maxSessionMs: 5 * MINUTE_MS });
  expect(await deliver(ledger.context)).toMatchObject({ kept: 0 });
  expect(await lengths()).toEqual([5 * MINUTE_MS, 90_000]);
  await setLongest({ maxSessionMs: 2 * MINUTE_MS });
  await deliver(ledger.context);
  expect(await lengths()).toEqual([2 * MINUTE_MS, 90_000]);
  // A plan in shadow mode stops nobody.
  await setLongest({ enforcement: 'shadow' });
  await deliver(ledger.context);
  expect(await lengths()).toEqual([null, 90_000]);
});
