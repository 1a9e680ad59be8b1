/** Minutes lent while a payment confirms: when, how many, and to what end; on a real database. */
import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type DatabaseConnection } from '../drizzle/client.ts';
import { extraMinutesPurchases } from '../drizzle/schema/extra-minutes.ts';
import { auditLog, meterOutbox } from '../drizzle/schema/operations.ts';
import { organizations } from '../drizzle/schema/organizations.ts';
import { payments } from '../drizzle/schema/payments.ts';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import type { PaymentStatus, StatusFact } from './facts.ts';
import { endHold, holdSentence, startHold } from './hold.ts';
import { HOLD_TIME_MS, UNPAID_HOLD_REST_MS } from './lend.ts';
import { takeFact } from './take-fact.ts';

const AT = Date.UTC(2026, 4, 20, 12);
const MINUTE_MS = 60_000;
const HOLD_MS = 90_000;

let database: TestDatabase;
/** as a gateway, which is who lends */
let gateway: DatabaseConnection;
let worker: DatabaseConnection;
beforeAll(async () => {
  database = await createTestDatabase();
  gateway = connect(database.gatewayUrl, { connections: 4 });
  worker = connect(database.url);
});
afterAll(async () => {
  await Promise.all([gateway.stop(), worker.stop()]);
  await database.drop();
});

async function account(paymentHoldMs = HOLD_MS): Promise<string> {
  const { org } = await makeTestAccount(worker.db, { plan: { paymentHoldMs } });
  return org;
}

async function purchase(org: string, grantedMs = 60 * MINUTE_MS): Promise<string> {
  const id = randomUUID();
  await worker.db.insert(payments).values({
    ...{ id, org, kind: 'purchase', method: 'test', package: 'minutes-60', grantedMs },
    ...{ amountCents: 999, currency: 'usd', livemode: false, startedAt: AT },
  });
  return id;
}

const ask = (org: string, payment: string, at = AT) =>
  gateway.tenants.of(org).transaction((tx) => startHold(tx, payment, at, 'key:test'));

const SAID: StatusFact = {
  ...{ kind: 'status', status: 'processing', at: AT, failure: null, cents: 999, currency: 'usd' },
};
const tell = (org: string, payment: string, status: PaymentStatus, at = AT) =>
  gateway.tenants.of(org).transaction((tx) => takeFact(tx, payment, { ...SAID, status, at }, at));

const lotOf = async (payment: string) =>
  (
    await worker.db
      .select()
      .from(extraMinutesPurchases)
      .where(eq(extraMinutesPurchases.id, payment))
  )[0];
const rowOf = async (payment: string) =>
  (await worker.db.select().from(payments).where(eq(payments.id, payment)))[0]!;
/** as the worker does at its end */
const end = (payment: string, at: number) =>
  worker.db.update(payments).set({ holdEndedAt: at }).where(eq(payments.id, payment));

describe('a loan', () => {
  it('is what the plan lends, for ten minutes, and serves at once as the last of the lots', async () => {
    const org = await account();
    const payment = await purchase(org);
    const [before] = await worker.db.select().from(organizations).where(eq(organizations.id, org));
    const until = AT + HOLD_TIME_MS;
    expect(await ask(org, payment)).toEqual({ granted: true, ms: HOLD_MS, until, isNew: true });
    const { holdMs, holdUntil, holdEndedAt, status } = await rowOf(payment);
    expect({ holdMs, holdUntil, holdEndedAt, status }).toEqual({
      ...{ holdMs: HOLD_MS, holdUntil: until, holdEndedAt: null, status: 'open' },
    });
    const lot = (await lotOf(payment))!;
    expect(lot.grantedMs - lot.reversedMs).toBe(HOLD_MS);
    expect(lot).toMatchObject({ heldAt: AT, expiresAt: null, usedMs: 0, debtMs: 0 });
    const [after] = await worker.db.select().from(organizations).where(eq(organizations.id, org));
    expect(after!.grantVersion).toBeGreaterThan(before!.grantVersion);
    const words = await worker.db.select().from(meterOutbox).where(eq(meterOutbox.org, org));
    expect(words).toHaveLength(1);
    const [entry] = await worker.db
      .select()
      .from(auditLog)
      .where(and(eq(auditLog.org, org), eq(auditLog.action, 'payment.hold')));
    expect(entry).toMatchObject({ actor: 'key:test', subject: payment });
    expect(entry!.detail).toEqual({ holdMs: HOLD_MS, until });
  });

  it('is never more than what is bought', async () => {
    const org = await account(600_000);
    const payment = await purchase(org, 2 * MINUTE_MS);
    expect(await ask(org, payment)).toMatchObject({ granted: true, ms: 2 * MINUTE_MS });
    expect((await lotOf(payment))!.reversedMs).toBe(0);
  });

  it('is the same one where it is asked for again, later or by the bank', async () => {
    const org = await account();
    const payment = await purchase(org);
    await ask(org, payment);
    const until = AT + HOLD_TIME_MS;
    const again = { granted: true, ms: HOLD_MS, until, isNew: false };
    expect(await ask(org, payment, AT + MINUTE_MS)).toEqual(again);
    expect(await tell(org, payment, 'processing', AT + MINUTE_MS)).toMatchObject({
      taken: 'applied',
    });
    expect((await rowOf(payment)).holdUntil).toBe(until);
    const entries = await worker.db
      .select()
      .from(auditLog)
      .where(and(eq(auditLog.org, org), eq(auditLog.action, 'payment.hold')));
    expect(entries).toHaveLength(1);
  });

  it('begins by itself when the bank has the payment', async () => {
    const org = await account();
    const payment = await purchase(org);
    await tell(org, payment, 'requiresAction');
    expect(await lotOf(payment)).toBeUndefined();
    await tell(org, payment, 'processing', AT + 1_000);
    expect(await rowOf(payment)).toMatchObject({
      ...{ status: 'processing', holdMs: HOLD_MS, holdUntil: AT + 1_000 + HOLD_TIME_MS },
    });
    expect((await lotOf(payment))!.grantedMs - (await lotOf(payment))!.reversedMs).toBe(HOLD_MS);
  });

  it('outlives an attempt that failed, and ends at once with the payment', async () => {
    const org = await account();
    const payment = await purchase(org);
    await ask(org, payment);
    await tell(org, payment, 'failed', AT + 1_000);
    expect(await rowOf(payment)).toMatchObject({ status: 'failed', holdEndedAt: null });
    await tell(org, payment, 'canceled', AT + 2_000);
    expect(await rowOf(payment)).toMatchObject({ status: 'canceled', holdEndedAt: AT + 2_000 });
  });

  it('ends once, at its end, and not where it is paid', async () => {
    const org = await account();
    const [unpaid, until] = [await purchase(org), AT + HOLD_TIME_MS];
    await ask(org, unpaid);
    const ends = (payment: string, at: number) =>
      worker.db.transaction((tx) => endHold(tx, payment, at));
    expect(await ends(unpaid, until - 1)).toBe(false);
    expect(await ends(unpaid, until)).toBe(true);
    expect(await ends(unpaid, until + 1)).toBe(false);
    expect(await rowOf(unpaid)).toMatchObject({ holdEndedAt: until });
    const other = await account();
    const paid = await purchase(other);
    await ask(other, paid);
    await tell(other, paid, 'paid', AT + 1_000);
    expect(await ends(paid, until)).toBe(false);
    expect(await rowOf(paid)).toMatchObject({ holdEndedAt: null });
  });

  it('is nothing any more once it is paid, and leaves no rest behind', async () => {
    const org = await account();
    const payment = await purchase(org);
    await ask(org, payment);
    await tell(org, payment, 'paid', AT + 5_000);
    expect(await rowOf(payment)).toMatchObject({ paidAt: AT + 5_000, holdEndedAt: null });
    expect(await ask(org, await purchase(org), AT + 6_000)).toMatchObject({ granted: true });
  });

  it('is made for the next payment, where one that ended unpaid was paid after all', async () => {
    const org = await account();
    const late = await purchase(org);
    await ask(org, late);
    await end(late, AT + HOLD_TIME_MS);
    await tell(org, late, 'paid', AT + HOLD_TIME_MS + MINUTE_MS);
    expect(await ask(org, await purchase(org), AT + HOLD_TIME_MS + 2 * MINUTE_MS)).toMatchObject({
      granted: true,
    });
  });
});

describe('no loan is made', () => {
  const refused = (why: string) => ({ granted: false, why });

  it('where the plan lends nothing, which is the default', async () => {
    const org = await account(0);
    const payment = await purchase(org);
    expect(await ask(org, payment)).toEqual(refused('off'));
    await tell(org, payment, 'processing');
    expect(await lotOf(payment)).toBeUndefined();
    expect(await rowOf(payment)).toMatchObject({ status: 'processing', holdMs: 0 });
  });

  it('beside another of the organization', async () => {
    const org = await account();
    const [one, other] = [await purchase(org), await purchase(org)];
    await ask(org, one);
    expect(await ask(org, other)).toEqual(refused('open'));
    // The fact is taken all the same.
    expect(await tell(org, other, 'processing')).toMatchObject({ taken: 'applied' });
    expect(await lotOf(other)).toBeUndefined();
    expect(await ask(await account(), one)).toBeNull();
  });

  it('twice to two payments that ask at once', async () => {
    const org = await account();
    const asked = [await purchase(org), await purchase(org), await purchase(org)];
    const loans = await Promise.all(asked.map((payment) => ask(org, payment)));
    expect(loans.map((loan) => loan!.granted).sort()).toEqual([false, false, true]);
    expect(loans).toContainEqual(refused('open'));
  });

  it('within a day after one that was not paid, and never again for that payment', async () => {
    const org = await account();
    const unpaid = await purchase(org);
    await ask(org, unpaid);
    await end(unpaid, AT + HOLD_TIME_MS);
    const next = await purchase(org);
    const restsUntil = AT + HOLD_TIME_MS + UNPAID_HOLD_REST_MS;
    expect(await ask(org, next, restsUntil - 1)).toEqual(refused('unpaid'));
    expect(await ask(org, next, restsUntil)).toMatchObject({ granted: true });
    expect(await ask(org, unpaid, restsUntil + UNPAID_HOLD_REST_MS)).toEqual(refused('unpaid'));
  });

  it('for a payment that is paid or canceled', async () => {
    const org = await account();
    const [paid, canceled] = [await purchase(org), await purchase(org)];
    await tell(org, paid, 'paid');
    await tell(org, canceled, 'canceled');
    expect(await ask(org, paid)).toEqual(refused('final'));
    expect(await ask(org, canceled)).toEqual(refused('final'));
    expect(holdSentence('final')).toMatch(/paid or canceled/);
  });

  it('past the database, whatever the code says', async () => {
    const org = await account();
    const [one, other] = [await purchase(org), await purchase(org)];
    await ask(org, one);
    const loan = { holdMs: 1, holdUntil: AT };
    const forced = worker.db.update(payments).set(loan).where(eq(payments.id, other));
    await expect(forced).rejects.toMatchObject({ cause: { code: '23505' } });
  });
});
