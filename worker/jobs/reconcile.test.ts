import { afterAll, beforeAll, expect, it } from 'vitest';
import { organizationBudget } from '../../core/meter/budget-name.ts';
import { settle } from '../ledger/settle.ts';
import { createTestLedger, JUNE, MAY, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { measureDrift } from './reconcile.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

it('is zero while time is open, unsettled, settled, across a month and after an end', async () => {
  const acme = await ledger.account({ plan: { quotaMs: 3 * MINUTE_MS } });
  const drift = () => measureDrift(ledger.context, acme.shard);
  await ledger.setNow(JUNE - 2 * MINUTE_MS);
  await acme.open('s1');
  await acme.open('s2', 'bob');
  for (let i = 1; i <= 6; i++) {
    await ledger.advance(30_000);
    await acme.beat('s1', i * 30_000);
    await acme.beat('s2', i * 10_000, i === 3 ? 'paused' : 'recording');
    expect(await drift()).toEqual([]);
    if (i % 2 === 0) await settle(ledger.context, acme.shard, { limit: 3 });
    expect(await drift()).toEqual([]);
  }
  await acme.close('s1', 6 * 30_000);
  expect(await drift()).toEqual([]);
  await settle(ledger.context, acme.shard, { limit: 100 });
  expect(await drift()).toEqual([]);
});

it('finds what the meter has too much', async () => {
  const acme = await ledger.account();
  await ledger.setNow(MAY + MINUTE_MS);
  await acme.open('s1');
  await ledger.advance(MINUTE_MS);
  await acme.beat('s1', MINUTE_MS);
  await settle(ledger.context, acme.shard, { limit: 100 });
  const meter = {
    ...ledger.meter,
    readBudgets: async (org: string, names: string[]) => {
      const reply = await ledger.meter.readBudgets(org, names);
      if (reply.status !== 'ok') return reply;
      return { ...reply, budgets: reply.budgets.map((it) => ({ ...it, usedMs: it.usedMs + 7 })) };
    },
  };
  const found = await measureDrift({ ...ledger.context, meter }, acme.shard);
  expect(found).toContainEqual({ budget: organizationBudget(acme.org, MAY), driftMs: 7 });
});
