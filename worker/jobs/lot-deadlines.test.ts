/** Loans and lots that end at an instant: on a real ledger and a real meter, with a clock that is moved. */
import { randomUUID } from 'node:crypto';
import { and, asc, eq, like, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyGrant } from '../../drizzle/queries/apply-limits.ts';
import { extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { auditLog } from '../../drizzle/schema/operations.ts';
import { payments } from '../../drizzle/schema/payments.ts';
import { startHold } from '../../payments/hold.ts';
import { HOLD_TIME_MS } from '../../payments/lend.ts';
import { dispute, lotOf, PAID, startPayment, takeFacts } from '../ledger/test-payments.ts';
import { lotsOf, periodOf, settleAll } from '../ledger/test-rows.ts';
import { recover } from '../recovery/recover.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { ANSWERS_MS, carryOutLots, startLotDeadlines } from './lot-deadlines.ts';
import { deliver } from './outbox.ts';

const HOLD_MS = 2 * MINUTE_MS;

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const look = () => carryOutLots(ledger.context);
const NOTHING = { holds: 0, lots: 0, nextMs: null };

/** A recording that lives of a loan alone. */
async function lent() {
  const acme = await ledger.account({ plan: { quotaMs: 0, paymentHoldMs: HOLD_MS } });
  const payment = await startPayment(ledger, acme);
  const { connection, now } = ledger;
  await connection.db.transaction((tx) => startHold(tx, payment, now, 'test'));
  await acme.open('s1');
  return { acme, payment };
}

async function give({ org }: TestOrganization, grantedMs: number, expiresAt: number | null) {
  const id = randomUUID();
  await ledger.connection.db.transaction(async (tx) => {
    await tx.insert(extraMinutesPurchases).values({
      ...{ id, org, grantedMs, purchasedAt: ledger.now, expiresAt, source: 'import' },
    });
    await applyGrant(tx, org);
  });
  await deliver(ledger.context);
  return id;
}

const entries = ({ org }: TestOrganization) =>
  ledger.connection.db
    .select({ action: auditLog.action, subject: auditLog.subject, detail: auditLog.detail })
    .from(auditLog)
    .where(and(eq(auditLog.org, org), like(auditLog.action, '%ed')))
    .orderBy(asc(auditLog.id));

describe('a loan', () => {
  it('ends at its instant; what was used of it is a debt, and what was not is withdrawn', async () => {
    const { acme, payment } = await lent();
    await acme.record('s1', 30_000);
    await acme.beat('s1', 30_000, 'paused');
    await ledger.advance(HOLD_TIME_MS - 30_001);
    expect(await look()).toEqual(NOTHING);
    await ledger.advance(1);
    expect(await look()).toEqual({ ...NOTHING, holds: 1 });
    expect(await look()).toEqual(NOTHING);
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: HOLD_MS - 30_000 });
    await deliver(ledger.context);
    const lot = (await lotOf(ledger, payment))!;
    expect(lot).toMatchObject({ usedMs: 30_000, debtMs: 30_000, reversedMs: lot.grantedMs });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 0, stopReason: 'limitReached' });
    const [ended] = await entries(acme);
    expect(ended).toMatchObject({ action: 'payment.holdEnded', subject: payment });
    expect(ended!.detail).toEqual({ holdMs: HOLD_MS, status: 'open' });
  });

  it('that ended unpaid gives its whole lot when it is paid after all, and owes nothing more', async () => {
    const { acme, payment } = await lent();
    await acme.record('s1', 30_000);
    await acme.beat('s1', 30_000, 'paused');
    await ledger.advance(HOLD_TIME_MS);
    await look();
    await deliver(ledger.context);
    await takeFacts(ledger, payment, [PAID]);
    await deliver(ledger.context);
    const lot = (await lotOf(ledger, payment))!;
    expect(lot).toMatchObject({ usedMs: 30_000, debtMs: 0, reversedMs: 0, heldAt: null });
    expect((await acme.budget()).extraRemainingMs).toBe(lot.grantedMs - 30_000);
  });

  it('is paid in the last moment, and does not end', async () => {
    const { acme, payment } = await lent();
    await ledger.advance(HOLD_TIME_MS);
    await takeFacts(ledger, payment, [PAID]);
    expect(await look()).toEqual(NOTHING);
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ stopReason: '', extraRemainingMs: 600_000 });
  });

  it('that two workers end at once ends once', async () => {
    const { acme } = await lent();
    await ledger.advance(HOLD_TIME_MS);
    const both = await Promise.all([look(), look()]);
    expect(both[0]!.holds + both[1]!.holds).toBe(1);
    expect(await entries(acme)).toHaveLength(1);
  });
});

describe('a lot that expires', () => {
  it('has burnt what was recorded until then, settled or not, and serves nobody after it', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    const lot = await give(acme, 10 * MINUTE_MS, ledger.now + 100_000);
    await acme.open('s1');
    await acme.record('s1', 100_000);
    // Nothing of it is in the ledger yet, and a part of a minute is open in the meter.
    expect(await lotsOf(ledger, acme)).toMatchObject([{ usedMs: 0 }]);
    expect(await look()).toEqual({ ...NOTHING, lots: 1 });
    expect(await lotsOf(ledger, acme)).toMatchObject([
      { usedMs: 100_000, expiredAt: ledger.now, debtMs: 0 },
    ]);
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 0, stopReason: 'limitReached' });
    await ledger.advance(5_000);
    await acme.beat('s1', 105_000);
    await acme.close('s1', 105_000);
    await settleAll(ledger, acme);
    expect(await lotsOf(ledger, acme)).toMatchObject([{ usedMs: 100_000 }]);
    expect(await periodOf(ledger, acme)).toMatchObject({ extraMs: 100_000, overageMs: 0 });
    expect(await acme.session('s1').catch(() => null)).toBeNull();
    expect(await entries(acme)).toEqual([
      {
        ...{ action: 'lot.expired', subject: lot },
        detail: { leftMs: 500_000, expiresAt: ledger.now - 5_000 },
      },
    ]);
  });

  it('while it is frozen is gone, also when the dispute is won later', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    const payment = await startPayment(ledger, acme, { expiresAfterDays: 1 });
    await takeFacts(ledger, payment, [PAID, dispute('open')]);
    await acme.open('s1');
    await deliver(ledger.context);
    await ledger.advance(24 * 60 * MINUTE_MS);
    expect(await look()).toEqual({ ...NOTHING, lots: 1 });
    await takeFacts(ledger, payment, [dispute('won')]);
    await deliver(ledger.context);
    expect(await lotOf(ledger, payment)).toMatchObject({
      ...{ expiredAt: ledger.now, frozenAt: null, usedMs: 0, reversedMs: 0, debtMs: 0 },
    });
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 0 });
  });

  it('burns before others, and a recording goes on with the next one', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    await give(acme, 10 * MINUTE_MS, null);
    const first = await give(acme, 10 * MINUTE_MS, ledger.now + 2 * MINUTE_MS);
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    expect(await look()).toEqual(NOTHING);
    await acme.record('s1', MINUTE_MS);
    await look();
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ extraRemainingMs: 10 * MINUTE_MS, stopReason: '' });
    await acme.record('s1', MINUTE_MS);
    await acme.close('s1', 3 * MINUTE_MS);
    await settleAll(ledger, acme);
    const lots = await lotsOf(ledger, acme);
    expect(lots.find(({ id }) => id === first)).toMatchObject({ usedMs: 2 * MINUTE_MS });
    expect(lots.find(({ id }) => id !== first)).toMatchObject({ usedMs: MINUTE_MS });
  });

  it('waits where its shard has to be recovered first, and comes back', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    await give(acme, 10 * MINUTE_MS, ledger.now);
    await ledger.lose(acme.shard);
    expect(await look()).toEqual(NOTHING);
    expect(await lotsOf(ledger, acme)).toMatchObject([{ expiredAt: null }]);
    await recover(ledger.context, [acme.shard]);
    expect(await look()).toEqual({ ...NOTHING, lots: 1 });
  });
});

it('an instant is met on the test clock, and not before the answers to its ticks can be in', async () => {
  const speed = 60;
  const acme = await ledger.account({ plan: { paymentHoldMs: HOLD_MS } });
  const { db } = ledger.connection;
  const startedAt = Date.now();
  const until = ledger.now + 30_000;
  await db.execute(sql`
    update meter_clock set meter_base_at = from_epoch_ms(${ledger.now}), speed = ${speed},
      real_base_at = from_epoch_ms(${startedAt}), frozen = false`);
  const payment = await startPayment(ledger, acme, { holdMs: HOLD_MS, holdUntil: until });
  const context = { ...ledger.context, wallMs: Date.now };
  // It looks once: all else is the timer's.
  const deadlines = startLotDeadlines({ context, everyMs: 3_600_000, log: context.log });
  const ended = async () =>
    (await db.select().from(payments).where(eq(payments.id, payment)))[0]!.holdEndedAt;
  await expect.poll(ended, { timeout: 20_000, interval: 20 }).not.toBeNull();
  await deadlines.stop();
  const dueMs = 30_000 / speed + ANSWERS_MS;
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(dueMs);
  expect(await ended()).toBeGreaterThanOrEqual(until + ANSWERS_MS * speed);
});
