import { asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { settle } from '../ledger/settle.ts';
import { createTestLedger, JUNE, MAY, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { prepareAhead } from './period-ahead.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

it('makes the next period before it is needed, and tells the meter where somebody records', async () => {
  const acme = await ledger.account({ plan: { quotaMs: 60 * MINUTE_MS } });
  const idle = await ledger.account();
  await ledger.setNow(MAY + MINUTE_MS);
  await acme.open('s1');
  await idle.open('s1');
  await idle.close('s1', 0);
  await settle(ledger.context, acme.shard, { limit: 10 });
  await settle(ledger.context, idle.shard, { limit: 10 });
  expect(await prepareAhead(ledger.context)).toBe(0);
  await ledger.setNow(JUNE - 3 * MINUTE_MS);
  expect(await prepareAhead(ledger.context)).toBe(2);
  const rows = await ledger.connection.db
    .select()
    .from(billingPeriods)
    .where(eq(billingPeriods.org, acme.org))
    .orderBy(asc(billingPeriods.startsAt));
  expect(rows.map((it) => [it.startsAt, it.quotaMs])).toEqual([
    [MAY, 60 * MINUTE_MS],
    [JUNE, 60 * MINUTE_MS],
  ]);
  expect(await acme.budgetIfThere(JUNE)).toMatchObject({ quotaMs: 60 * MINUTE_MS, usedMs: 0 });
  expect(await idle.budgetIfThere(JUNE)).toBeUndefined();
  expect(await prepareAhead(ledger.context)).toBe(0);
});

it('makes the partitions of the months to come', async () => {
  await ledger.setNow(Date.UTC(2031, 10, 15));
  await prepareAhead(ledger.context);
  const found = await ledger.connection.sql<{ name: string }[]>`
    select relname as name from pg_class
    where relname like 'usage\\_tracking\\_203%' and relkind = 'r' order by 1`;
  expect(found.map((it) => it.name)).toEqual([
    'usage_tracking_2031_11',
    'usage_tracking_2031_12',
    'usage_tracking_2032_01',
    'usage_tracking_2032_02',
  ]);
});
