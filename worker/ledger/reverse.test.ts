import { randomUUID } from 'node:crypto';
import { asc, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyGrant } from '../../drizzle/queries/apply-limits.ts';
import { loadReceipt } from '../../drizzle/queries/load-receipt.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { adjustments, extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { auditLog } from '../../drizzle/schema/operations.ts';
import { payments } from '../../drizzle/schema/payments.ts';
import type { Fact } from '../../payments/facts.ts';
import { openLot } from '../../payments/take-fact.ts';
import { deliver, startOutbox } from '../jobs/outbox.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { carryOut } from './grant.ts';
import { settle } from './settle.ts';
import { dispute, lotOf, PAID, refund, startPayment, takeFacts } from './test-payments.ts';
import { minutesOf, periodOf } from './test-rows.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const tell = async (payment: string, ...facts: Fact[]) => {
  await takeFacts(ledger, payment, facts);
  await deliver(ledger.context);
};
/** Ten minutes for 1000 cents, and a recording that lives of them alone. */
async function bought(more: Parameters<typeof startPayment>[2] = {}) {
  const acme = await ledger.account({ plan: { quotaMs: 0 } });
  const payment = await startPayment(ledger, acme, more);
  await tell(payment, PAID);
  await acme.open('s1');
  return { acme, payment };
}
const audit = async ({ org }: TestOrganization) =>
  (
    await ledger.connection.db
      .select()
      .from(auditLog)
      .where(eq(auditLog.org, org))
      .orderBy(asc(auditLog.id))
  ).map(({ action, detail }) => ({ action, ...(detail as Record<string, unknown>) }));
async function takeBack({ org }: TestOrganization, ms: number): Promise<void> {
  await ledger.connection.db.transaction(async (tx) => {
    await tx.insert(adjustments).values({
      ...{ id: randomUUID(), org, kind: 'extra', ms: -ms, reason: 'a mistake', actor: 'test' },
      createdAt: ledger.now,
    });
    await applyGrant(tx, org);
  });
}

describe('a refund', () => {
  it('is heard by a running session, which stops at the new limit; what it used before is extra', async () => {
    const { acme, payment } = await bought();
    await ledger.advance(200_000);
    await acme.beat('s1', 200_000);
    await tell(payment, refund(500));
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ usedMs: 200_000, reversedMs: 300_000, debtMs: 0 },
    });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 100_000, stopReason: '' });
    await ledger.advance(150_000);
    await acme.beat('s1', 350_000);
    await acme.close('s1', 350_000);
    await settle(ledger.context, acme.shard, { limit: 100 });
    expect(await lotOf(ledger, payment)).toMatchObject({ usedMs: 300_000, debtMs: 0 });
    expect(await periodOf(ledger, acme)).toMatchObject({ extraMs: 300_000, overageMs: 0 });
  });

  it('leaves a debt of what was used already, settled by the old figures', async () => {
    const { acme, payment } = await bought();
    // Nothing of it is settled, and a part is still open in the meter.
    await ledger.advance(200_000);
    await acme.beat('s1', 200_000);
    await tell(payment, refund(900));
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ usedMs: 200_000, reversedMs: 540_000, debtMs: 140_000, takenMs: 0 },
    });
    const minutes = await minutesOf(ledger, acme);
    expect(minutes.map((it) => [it.extraMs, it.overageMs])).toEqual([
      ...[0, 1, 2].map(() => [60_000, 0]),
      [20_000, 0],
    ]);
    expect(await acme.budget()).toMatchObject({
      ...{ extraRemainingMs: 0, stopReason: 'limitReached', extraMs: 200_000 },
    });
    expect(await audit(acme)).toEqual([
      {
        action: 'payment.reversed',
        ...{ reversedMs: 540_000, debtMs: 140_000, before: { reversedMs: 0, debtMs: 0 } },
      },
    ]);
  });

  it('whose debt stands eats neither the next purchase nor the quota', async () => {
    const { acme, payment } = await bought();
    await ledger.advance(200_000);
    await acme.beat('s1', 200_000);
    await tell(payment, refund(1000));
    expect(await lotOf(ledger, payment)).toMatchObject({ debtMs: 200_000 });
    const next = await startPayment(ledger, acme);
    await tell(next, PAID);
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 600_000, stopReason: '' });
    const { sql: query } = ledger.connection;
    const [said] = await query`select extra_remaining_ms as ms
      from settled_budgets('alice', ${acme.org}) where scope = 'organization'`;
    expect(said).toEqual({ ms: 600_000 });
  });

  it('that fails gives back what it took, and nothing twice', async () => {
    const { acme, payment } = await bought();
    await tell(payment, refund(400), { kind: 'charge', refundedCents: 400 });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 360_000 });
    await tell(payment, refund(400, 're_1', 'failed'));
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 600_000 });
    await tell(payment, refund(400), refund(400, 're_1', 'failed'));
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 0, debtMs: 0 });
    expect((await audit(acme)).map((it) => it.action)).toEqual([
      ...['payment.reversed', 'payment.givenBack'],
    ]);
  });

  it('and minutes taken back by hand come together to no more than the lot', async () => {
    const { acme, payment } = await bought();
    await takeBack(acme, 3 * MINUTE_MS);
    await deliver(ledger.context);
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 180_000, takenMs: 180_000 });
    await tell(payment, refund(500));
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 480_000, takenMs: 180_000 });
    await takeBack(acme, MINUTE_MS);
    await tell(payment, refund(500, 're_1', 'failed'));
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 240_000, takenMs: 240_000 });
    await tell(payment, refund(1000, 're_2'));
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 600_000, takenMs: 240_000 });
  });
});

describe('a dispute', () => {
  it('freezes a lot in a running session, and gives it back when it is won', async () => {
    const { acme, payment } = await bought();
    const outbox = await startOutbox({
      ...{ context: ledger.context, log: ledger.context.log, everyMs: 3_600_000 },
    });
    await ledger.advance(90_000);
    await acme.beat('s1', 90_000);
    const heard = async () => (await acme.budget()).extraRemainingMs;
    await takeFacts(ledger, payment, [dispute('open')]);
    await expect.poll(heard, { timeout: 10_000 }).toBe(0);
    expect(await acme.budget()).toMatchObject({ stopReason: 'limitReached' });
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ usedMs: 90_000, frozenAt: ledger.now, reversedMs: 0, debtMs: 0 },
    });
    await takeFacts(ledger, payment, [dispute('won')]);
    await expect.poll(heard, { timeout: 10_000 }).toBe(510_000);
    await outbox.stop();
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ stopReason: '' });
    expect(await lotOf(ledger, payment)).toMatchObject({ frozenAt: null });
    expect((await audit(acme)).map((it) => it.action)).toEqual([
      ...['payment.frozen', 'payment.givenBack'],
    ]);
  });

  it('that is lost reverses; what is frozen counts neither before nor after', async () => {
    const { acme, payment } = await bought();
    await acme.record('s1', MINUTE_MS);
    await tell(payment, dispute('open'), refund(100));
    expect(await lotOf(ledger, payment)).toMatchObject({ usedMs: 60_000, reversedMs: 60_000 });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 0 });
    await tell(payment, dispute('lost', 900));
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ frozenAt: null, reversedMs: 600_000, debtMs: 60_000 },
    });
    expect((await audit(acme)).map((it) => it.action)).toEqual([
      ...['payment.reversed', 'payment.frozen', 'payment.reversed'],
    ]);
  });
});

it('disputes all of a payment where the bank counts in another currency', async () => {
  const { payment } = await bought();
  // 7 euros of 10 dollars: what part that is nobody here knows.
  await tell(payment, dispute('lost', 700, 'eur'));
  expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 600_000 });
});

describe('minutes that are lent', () => {
  const HELD = { holdMs: 2 * MINUTE_MS };

  it('burn after all others, and are simply bought when the payment arrives', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    await ledger.connection.db.insert(extraMinutesPurchases).values({
      ...{ id: randomUUID(), org: acme.org, grantedMs: MINUTE_MS, source: 'import' },
      // Bought later, and it burns first all the same.
      purchasedAt: ledger.now + 1,
    });
    const payment = await lend(acme, { expiresAfterDays: 30 });
    await acme.open('s1');
    await acme.record('s1', 90_000);
    await ledger.meter.flush(acme.shard);
    await settle(ledger.context, acme.shard, { limit: 100 });
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ usedMs: 30_000, reversedMs: 480_000, heldAt: expect.any(Number), expiresAt: null },
    });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 90_000 });
    const receipt = await loadReceipt(ledger.connection.db, acme.org, 's1');
    await ledger.advance(1);
    await tell(payment, PAID);
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ usedMs: 30_000, reversedMs: 0, debtMs: 0, heldAt: null, purchasedAt: ledger.now },
      expiresAt: ledger.now + 30 * 24 * 3_600_000,
    });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 570_000 });
    expect((await audit(acme)).map((it) => it.action)).toEqual(['payment.confirmed']);
    // Whoever has it already must not be contradicted.
    expect(receipt?.lots.map((lot) => lot.purchase)).toEqual([expect.anything(), payment]);
    expect(await loadReceipt(ledger.connection.db, acme.org, 's1')).toEqual(receipt);
  });

  it('that are not paid for in the end are withdrawn, and what was used of them is a debt', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    const payment = await lend(acme);
    await acme.open('s1');
    await ledger.advance(90_000);
    await acme.beat('s1', 90_000);
    await ledger.connection.db.transaction(async (tx) => {
      await tx.update(payments).set({ holdEndedAt: ledger.now }).where(eq(payments.id, payment));
      await applyGrant(tx, acme.org);
    });
    await deliver(ledger.context);
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ usedMs: 90_000, reversedMs: 600_000, debtMs: 90_000 },
    });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 0, stopReason: 'limitReached' });
    // It arrives after all.
    await tell(payment, PAID);
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 0, debtMs: 0, heldAt: null });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 510_000, stopReason: '' });
  });

  it('are not taken back by hand', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    const payment = await lend(acme);
    await takeBack(acme, MINUTE_MS);
    await deliver(ledger.context);
    expect(await lotOf(ledger, payment)).toMatchObject({ takenMs: 0, reversedMs: 480_000 });
  });

  async function lend(acme: TestOrganization, more: object = {}): Promise<string> {
    const holdUntil = ledger.now + MINUTE_MS;
    const payment = await startPayment(ledger, acme, { ...HELD, holdUntil, ...more });
    await ledger.connection.db.transaction(async (tx) => {
      await openLot(tx, payment);
      await applyGrant(tx, acme.org);
    });
    await deliver(ledger.context);
    return payment;
  }
});

it('grants the same to the meter and to plain SQL, whatever state lots are in', async () => {
  const { acme, payment } = await bought();
  await acme.record('s1', 4 * MINUTE_MS);
  // Five are gone for good, and of a frozen one only what was used counts: four, a debt of none.
  await tell(payment, refund(500), dispute('open', 100));
  const owing = await startPayment(ledger, acme, { grantedMs: 3 * MINUTE_MS });
  await tell(owing, PAID);
  await acme.record('s1', 2 * MINUTE_MS);
  // Used twice as much as is left of it, and frozen: a debt of one.
  await tell(owing, refund(667), dispute('open', 100));
  const hold = { holdMs: 90_000, holdUntil: ledger.now + MINUTE_MS };
  const lent = await startPayment(ledger, acme, hold);
  await ledger.connection.db.transaction((tx) => openLot(tx, lent));
  await ledger.connection.db.insert(extraMinutesPurchases).values({
    ...{ id: randomUUID(), org: acme.org, grantedMs: MINUTE_MS, source: 'import' },
    ...{ purchasedAt: 0, expiresAt: 1, expiredAt: 1 },
  });
  expect(await lotOf(ledger, payment)).toMatchObject({ usedMs: 240_000, debtMs: 0 });
  expect(await lotOf(ledger, owing)).toMatchObject({ usedMs: 120_000, debtMs: 60_060 });
  const seeds = await loadSeeds(ledger.connection.db, acme.org, []);
  expect(seeds?.account.grantedMs).toBe(240_000 + 120_000 + 90_000);
  const [said] = await ledger.connection.sql`select extra_remaining_ms as ms
    from settled_budgets('alice', ${acme.org}) where scope = 'organization'`;
  expect(said).toEqual({ ms: 90_000 });
});

it('waits for a recovery before it lowers anything', async () => {
  const { acme, payment } = await bought();
  await takeFacts(ledger, payment, [refund(1000)]);
  await ledger.lose(acme.shard);
  expect(await carryOut(ledger.context, acme.org, ledger.now)).toBe(false);
  expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 0 });
});

it('leaves gifts and imports as they are', async () => {
  const acme = await ledger.account({ plan: { quotaMs: 0 } });
  await ledger.connection.db.insert(extraMinutesPurchases).values({
    ...{ id: randomUUID(), org: acme.org, grantedMs: MINUTE_MS, reversedMs: 5000 },
    ...{ source: 'import', purchasedAt: ledger.now },
  });
  expect(await carryOut(ledger.context, acme.org, ledger.now)).toBe(true);
  const [lot] = await ledger.connection.db.execute(sql`
    select reversed_ms as ms from extra_minutes_purchases where org = ${acme.org}`);
  expect(lot).toEqual({ ms: 5000 });
});
