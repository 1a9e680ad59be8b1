import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LimitMode } from '../../core/meter/rows.ts';
import { organizations } from '../../drizzle/schema/organizations.ts';
import { stripeCustomers, stripeInvoices } from '../../drizzle/schema/payments.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { plans } from '../../drizzle/schema/plans.ts';
import { makeTestAccount } from '../../local/test-account.ts';
import { type InvoiceFact, readInvoice, takeInvoice } from '../../payments/invoices.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { deliver } from './outbox.ts';
import { turnGraces } from './payment-grace.ts';

const DAY_MS = 24 * 60 * MINUTE_MS;
const BEGUN = Date.UTC(2026, 4, 10);

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const plan = { quotaMs: 2 * MINUTE_MS, atLimit: 'overage', paymentGraceDays: 7 } as const;

async function overageAccount(): Promise<TestOrganization> {
  await ledger.setNow(BEGUN);
  return withCustomer(await ledger.account({ plan }));
}

async function withCustomer<T extends { org: string }>(account: T): Promise<T> {
  const { org } = account;
  const row = { org, customer: `cus_${org}`, livemode: false };
  await ledger.connection.db.insert(stripeCustomers).values(row);
  return account;
}

const fact = (org: string, id: string, is: InvoiceFact['is'], at = 1): InvoiceFact => ({
  ...{ kind: 'invoice', id: `${id}-${org}`, customer: `cus_${org}`, is, at, cents: 900 },
  ...{ currency: 'usd', url: 'https://pay.example/1' },
});
const take = (it: InvoiceFact) =>
  ledger.connection.db.transaction((tx) => takeInvoice(tx, it, ledger.now));
async function standing({ org }: { org: string }) {
  const { db } = ledger.connection;
  const [row] = await db.select().from(organizations).where(eq(organizations.id, org));
  const invoices = await db.select().from(stripeInvoices).where(eq(stripeInvoices.org, org));
  return {
    since: row!.paymentOverdueSince,
    ended: row!.paymentGraceEnded,
    invoices: invoices
      .map(({ id, org: _, ...it }) => ({ id: id.split('-')[0], ...it }))
      .sort((a, b) => (a.id! < b.id! ? -1 : 1)),
  };
}
async function periodOf({ org }: TestOrganization) {
  const { db } = ledger.connection;
  return (await db.select().from(billingPeriods).where(eq(billingPeriods.org, org)))[0]!;
}

function orders<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((it, i) =>
    orders([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [it, ...rest]),
  );
}

describe('events of invoices', () => {
  it('end the same in every order and with repeats', async () => {
    const ends = new Set<string>();
    const heard = [
      ['a', 'unpaid', 1],
      ['a', 'settled', 5],
      ['b', 'unpaid', 2],
    ] as const;
    for (const order of orders(heard)) {
      // Nobody records on it: it needs no meter.
      const acme = await withCustomer(await makeTestAccount(ledger.connection.db, { plan }));
      for (const [id, is, at] of [...order, ...order]) await take(fact(acme.org, id, is, at));
      ends.add(JSON.stringify(await standing(acme)));
    }
    expect([...ends]).toHaveLength(1);
    expect(JSON.parse([...ends][0]!)).toMatchObject({ since: ledger.now, ended: false });
  });

  it('clear what is owed with the last one that is paid, and are nobody’s without a customer', async () => {
    const acme = await overageAccount();
    await take(fact(acme.org, 'a', 'unpaid'));
    await take(fact(acme.org, 'b', 'unpaid'));
    await take(fact(acme.org, 'a', 'settled'));
    expect(await standing(acme)).toMatchObject({ since: BEGUN });
    await take(fact(acme.org, 'b', 'settled'));
    expect(await standing(acme)).toMatchObject({ since: null });
    expect(await take({ ...fact(acme.org, 'c', 'unpaid'), customer: 'cus_other' })).toBeNull();
  });

  it.each([
    ['invoice.payment_failed', 'unpaid'],
    ['invoice.paid', 'settled'],
    ['invoice.voided', 'settled'],
    ['invoice.created', undefined],
  ])('%s says %s', (type, is) => {
    const object = { id: 'in_1', customer: 'cus_1', amount_remaining: 5, currency: 'usd' };
    const event = { type, created: 7, data: { object } };
    expect(readInvoice(event as never)?.is).toBe(is);
  });
});

describe('the grace of an unpaid invoice', () => {
  it('lets everything run, then ends overage, and nothing else, until it is paid', async () => {
    const acme = await overageAccount();
    await acme.open('s1');
    await acme.record('s1', 3 * MINUTE_MS);
    await take(fact(acme.org, 'a', 'unpaid'));
    const since = ledger.now;
    await turnGraces(ledger.context);
    await acme.give(MINUTE_MS);
    await ledger.setNow(since + 7 * DAY_MS - MINUTE_MS - 1);
    await acme.beat('s1', 4 * MINUTE_MS);
    await ledger.setNow(since + 7 * DAY_MS - 1);
    await turnGraces(ledger.context);
    expect(await standing(acme)).toMatchObject({ since, ended: false });
    expect((await periodOf(acme)).mode).toBe(LimitMode.overage);
    // Up to the last moment it is recorded by the old figures, and settled by them.
    await acme.beat('s1', 5 * MINUTE_MS);
    await ledger.setNow(since + 7 * DAY_MS);
    await turnGraces(ledger.context);
    expect(await turnGraces(ledger.context)).toBe(0);
    expect((await periodOf(acme)).decreasePending).toBe(true);
    await deliver(ledger.context);
    const period = await periodOf(acme);
    expect(period).toMatchObject({
      ...{ mode: LimitMode.stop, quotaMs: 2 * MINUTE_MS, planMs: 2 * MINUTE_MS },
      ...{ extraMs: MINUTE_MS, debtMs: 0 },
    });
    expect(period.billableMs).toBe(2 * MINUTE_MS);
    expect(await acme.budget()).toMatchObject({ mode: LimitMode.stop, remainingMs: 0 });

    await take(fact(acme.org, 'a', 'settled'));
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ mode: LimitMode.overage, remainingMs: null });
    expect(await standing(acme)).toMatchObject({ since: null, ended: false });
  });

  it('is as long as the plan says now', async () => {
    const acme = await overageAccount();
    await acme.open('s1');
    await take(fact(acme.org, 'a', 'unpaid'));
    await ledger.advance(8 * DAY_MS);
    await turnGraces(ledger.context);
    expect(await standing(acme)).toMatchObject({ ended: true });
    const days = (paymentGraceDays: number) =>
      ledger.connection.db.update(plans).set({ paymentGraceDays }).where(eq(plans.id, acme.plan));
    await days(30);
    expect(await turnGraces(ledger.context)).toBe(1);
    expect(await standing(acme)).toMatchObject({ ended: false });
  });
});
