import { readFileSync } from 'node:fs';
import { eq, inArray, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { auditLog } from '../../drizzle/schema/operations.ts';
import { overageReports } from '../../drizzle/schema/overage-reports.ts';
import { stripeCustomers, stripeEvents } from '../../drizzle/schema/payments.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { takeNotification } from '../../payments/notification.ts';
import { type FakeStripe, startFakeStripe } from '../../payments/testing/fake-stripe.ts';
import { judgeOverage, wrongOverage } from '../ledger/check/overage.ts';
import { inSnapshot } from '../ledger/check/snapshot.ts';
import { settle } from '../ledger/settle.ts';
import { appendReports } from '../overage/append.ts';
import {
  createTestLedger,
  JUNE,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { reportOverage } from './overage.ts';

const METER = 'overage_minutes';
const EVENTS = '/v1/billing/meter_events';
const HOUR_MS = 60 * MINUTE_MS;

let ledger: TestLedger;
let fake: FakeStripe;
beforeAll(async () => {
  ledger = await createTestLedger();
  fake = await startFakeStripe({ now: () => ledger.now });
  fake.createMeter({ eventName: METER });
});
afterEach(async () => {
  fake.faults.clear();
  // What a test leaves is not the next one's.
  await ledger.connection.db.execute(sql`update overage_reports set unclear_at = now()`);
});
afterAll(async () => {
  await fake.stop();
  await ledger.stop();
});

const look = (livemode = false) =>
  reportOverage({
    ...{ context: ledger.context, log: ledger.context.log, livemode },
    stripe: fake.stripe,
  });

interface Billed extends TestOrganization {
  customer: string;
  record(session: string, ms: number): Promise<void>;
}

async function billed(more: object = {}): Promise<Billed> {
  const plan = { quotaMs: 0, atLimit: 'overage', overageMeter: METER, ...more } as const;
  const acme = await ledger.account({ plan });
  const { id: customer } = await fake.stripe.customers.create({ name: acme.org });
  await ledger.connection.db
    .insert(stripeCustomers)
    .values({ org: acme.org, customer, livemode: false });
  await acme.open('s1');
  return {
    ...acme,
    customer,
    async record(session, ms) {
      await acme.record(session, ms);
      await ledger.meter.flush(acme.shard);
      await settle(ledger.context, acme.shard, { limit: 500 });
    },
  };
}

/** Done, and never answered: the library's own repeats are not heard. */
function loseAnswers(): void {
  fake.faults.add({ path: EVENTS, cut: 'after' });
  fake.faults.add({ path: EVENTS, error: { status: 503 }, times: 99 });
}
/** One look while Stripe takes nothing, and answers so. */
async function lookInVain(status: number): Promise<void> {
  fake.faults.add({ path: EVENTS, error: { status }, times: 99 });
  await look();
  fake.faults.clear();
}
/** What docs/top-up.md tells a person to write down. */
function statementOf(word: string, identifier: string): string {
  const page = readFileSync(new URL('../../docs/top-up.md', import.meta.url), 'utf8');
  const all = [...page.matchAll(/```sql\n([^`]*)```/g)].map(([, statement]) => statement!);
  return all.find((it) => it.includes(word))!.replace('IDENTIFIER', identifier);
}
async function findings({ org }: Billed) {
  const { sql } = ledger.connection;
  const found = await inSnapshot(sql, (tx) => wrongOverage(tx, [org], { now: ledger.now }));
  return judgeOverage(found);
}
const told = ({ customer }: Billed) => fake.metered(METER, customer);
const rowsOf = ({ org }: Billed) =>
  ledger.connection.db
    .select()
    .from(overageReports)
    .where(eq(overageReports.org, org))
    .orderBy(overageReports.sequence);
const setBillable = ({ org }: Billed, minutes: number) =>
  ledger.connection.db
    .update(billingPeriods)
    .set({ billableMs: minutes * MINUTE_MS })
    .where(eq(billingPeriods.org, org));

describe('overage', () => {
  it('is told in full minutes while its period runs, and the rest once, at its end', async () => {
    const acme = await billed({ roundTo: 'minute' });
    await acme.record('s1', 90_000);
    await look();
    expect(told(acme)).toBe(1);
    await look();
    await acme.record('s1', 45_000);
    await look();
    expect(told(acme)).toBe(2);
    await acme.close('s1', 135_000);
    await settle(ledger.context, acme.shard, { limit: 500 });
    const before = ledger.now;
    await ledger.setNow(JUNE + HOUR_MS);
    await look();
    await look();
    expect(told(acme)).toBe(3);
    const rows = await rowsOf(acme);
    expect(rows.map(({ minutes }) => minutes)).toEqual([1, 1, 1]);
    // Within the period it is of, though it is told after it.
    expect(rows.at(-1)!.occurredAt).toBe(JUNE - 1_000);
    await ledger.setNow(before);
  });

  it('is told once by two workers at once', async () => {
    const all = [await billed(), await billed(), await billed()];
    for (const acme of all) await acme.record('s1', 5 * MINUTE_MS);
    await Promise.all([look(), look(), look()]);
    expect(all.map(told)).toEqual([5, 5, 5]);
    for (const acme of all) expect(await rowsOf(acme)).toHaveLength(1);
  });

  it('is told once when the answer is lost, by the same name, and by whoever comes after a kill', async () => {
    const acme = await billed();
    await acme.record('s1', 4 * MINUTE_MS);
    loseAnswers();
    await look();
    fake.faults.clear();
    expect(await rowsOf(acme)).toMatchObject([{ sentAt: null, attempts: 1 }]);
    expect(told(acme)).toBe(4);
    await look();
    expect((await rowsOf(acme))[0]!.attempts).toBe(1);
    await ledger.advance(2 * MINUTE_MS);
    // As after so long that Stripe has forgotten the key, and knows the name still.
    const asked = fake.asked.length;
    await look();
    expect(fake.asked.length).toBeGreaterThan(asked);
    expect((await rowsOf(acme))[0]).toMatchObject({ sentAt: ledger.now, attempts: 2 });
    expect(told(acme)).toBe(4);
  });

  it('is told later when nothing came to Stripe at all', async () => {
    const acme = await billed();
    await acme.record('s1', 2 * MINUTE_MS);
    await lookInVain(503);
    expect(told(acme)).toBe(0);
    await ledger.advance(2 * MINUTE_MS);
    await look();
    expect(told(acme)).toBe(2);
  });

  it('is told once where Stripe broke, though it answers so under the same key for a day', async () => {
    const acme = await billed();
    await acme.record('s1', 2 * MINUTE_MS);
    await lookInVain(500);
    expect(told(acme)).toBe(0);
    await ledger.advance(2 * MINUTE_MS);
    await look();
    expect(told(acme)).toBe(2);
    await ledger.advance(2 * MINUTE_MS);
    await look();
    expect([told(acme), (await rowsOf(acme)).length]).toEqual([2, 1]);
  });

  it('is left to a person where nobody can know any more whether it is there', async () => {
    const acme = await billed();
    await acme.record('s1', 2 * MINUTE_MS);
    loseAnswers();
    await look();
    fake.faults.clear();
    await ledger.advance(24 * HOUR_MS);
    await look();
    expect(told(acme)).toBe(2);
    expect(await rowsOf(acme)).toMatchObject([{ sentAt: null, unclearAt: ledger.now }]);
  });

  it('that a person found not to be there is told again, by another name', async () => {
    const acme = await billed();
    await acme.record('s1', 2 * MINUTE_MS);
    await lookInVain(503);
    await ledger.advance(24 * HOUR_MS);
    await look();
    const { identifier } = (await rowsOf(acme))[0]!;
    expect(await findings(acme)).toMatchObject([{ code: 'overageUnclear', subject: identifier }]);
    await ledger.connection.sql.unsafe(statementOf('first_tried_at', identifier));
    await ledger.advance(1);
    await look();
    expect(told(acme)).toBe(2);
    expect(await findings(acme)).toEqual([]);
  });

  it('that Stripe took and could not use is left to a person', async () => {
    const acme = await billed();
    fake.account.customers.delete(acme.customer);
    await acme.record('s1', 2 * MINUTE_MS);
    await look();
    expect(await findings(acme)).toEqual([]);
    const { db } = ledger.connection;
    const thin = fake.tellOfMeterTroubles();
    await db.transaction((tx) => takeNotification(tx, thin));
    const path = `/v2/core/events/${thin.id}`;
    fake.faults.add({ path, error: { status: 503 }, times: 99 });
    await look();
    fake.faults.clear();
    const event = async () =>
      (await db.select().from(stripeEvents).where(eq(stripeEvents.id, thin.id)))[0];
    expect(await event()).toMatchObject({ effect: 'waiting' });
    await look();
    expect(await event()).toMatchObject({
      effect: 'applied',
      detail: 'There are 1 invalid events',
    });
    const [found] = await findings(acme);
    expect(found).toMatchObject({ code: 'overageUnclear', org: acme.org });
    expect(found!.says).toContain('meter_event_customer_not_found');
    await look();
    expect(fake.asked.filter((it) => it.path === path && it.status === 200)).toHaveLength(1);
  });

  it('that Stripe does not answer for keeps none that came later from being heard, and is heard itself', async () => {
    const { db } = ledger.connection;
    const { notifications } = fake.account;
    const thin = Array.from({ length: 21 }, () => fake.tellOfMeterTroubles());
    const [unheard, said] = [thin.slice(0, 20), new Map(notifications)];
    for (const it of thin) await db.transaction((tx) => takeNotification(tx, it));
    for (const { id } of unheard) notifications.delete(id);
    const waiting = async () => {
      const ids = thin.map(({ id }) => id);
      const all = await db.select().from(stripeEvents).where(inArray(stripeEvents.id, ids));
      return all.filter(({ effect }) => effect === 'waiting').map(({ id }) => id);
    };
    for (let turn = 0; turn < 3; turn++) await look();
    expect((await waiting()).sort()).toEqual(unheard.map(({ id }) => id).sort());
    const asked = (id: string) => fake.asked.filter(({ path }) => path.endsWith(`/${id}`)).length;
    expect(unheard.every(({ id }) => asked(id) > 0)).toBe(true);
    for (const { id } of unheard) notifications.set(id, said.get(id)!);
    for (let turn = 0; turn < 3; turn++) await look();
    expect(await waiting()).toEqual([]);
  });

  it('is told by each mode for itself: what test keys told, live keys have not', async () => {
    const acme = await billed();
    await acme.record('s1', 3 * MINUTE_MS);
    await look();
    await acme.record('s1', MINUTE_MS);
    const { context, connection } = ledger;
    // Written down by test keys, and not told yet when they go.
    await appendReports({ ...context, livemode: false }, ledger.now);
    const { id: live } = await fake.stripe.customers.create({ name: acme.org });
    const become = (customer: string, livemode: boolean) =>
      connection.db
        .update(stripeCustomers)
        .set({ customer, livemode })
        .where(eq(stripeCustomers.org, acme.org));
    const both = () => [acme.customer, live].map((it) => fake.metered(METER, it));
    await become(live, true);
    await ledger.advance(2 * MINUTE_MS);
    await look(true);
    expect(both()).toEqual([3, 4]);
    expect(await findings(acme)).toEqual([]);
    // Less than was told: only what live keys told is theirs to take back.
    await setBillable(acme, 2);
    await look(true);
    await look(true);
    expect(both()).toEqual([3, 2]);
    await setBillable(acme, 4);
    await become(acme.customer, false);
    await look();
    expect(both()).toEqual([4, 2]);
    expect((await rowsOf(acme)).map(({ livemode, minutes }) => [livemode, minutes])).toEqual([
      [false, 3],
      [false, 1],
      [true, 4],
      [true, 2],
    ]);
  });

  it('is taken back within a day and told anew; after that a credit is written down', async () => {
    const acme = await billed();
    await acme.record('s1', 3 * MINUTE_MS);
    await look();
    await acme.record('s1', 4 * MINUTE_MS);
    await look();
    expect(told(acme)).toBe(7);
    await setBillable(acme, 5);
    await look();
    await look();
    expect(told(acme)).toBe(5);
    await ledger.advance(25 * HOUR_MS);
    await setBillable(acme, 4);
    await look();
    await look();
    expect(told(acme)).toBe(5);
    const credit = (await rowsOf(acme)).at(-1)!;
    expect(credit).toMatchObject({ kind: 'credit', minutes: -1 });
    const [found] = await findings(acme);
    expect(found).toMatchObject({ code: 'overageCredit', figures: { minutes: 1 } });
    await ledger.connection.sql.unsafe(statementOf('coalesce', credit.identifier));
    expect(await findings(acme)).toEqual([]);
    const audits = await ledger.connection.db
      .select()
      .from(auditLog)
      .where(eq(auditLog.org, acme.org));
    expect(audits.filter(({ action }) => action === 'overage.credit')).toHaveLength(1);
    await setBillable(acme, 6);
    await look();
    expect(told(acme)).toBe(7);
  });

  it('that a worker takes to Stripe at this moment is not taken for one that Stripe never heard of', async () => {
    const acme = await billed();
    await acme.record('s1', 3 * MINUTE_MS);
    const { db, sql: query } = ledger.connection;
    const append = () => appendReports({ ...ledger.context, livemode: false }, ledger.now);
    await append();
    await setBillable(acme, 2);
    const { identifier } = (await rowsOf(acme))[0]!;
    let appended: Promise<number> | undefined;
    // As a worker claims it, while another one looks.
    await query.begin(async (tx) => {
      await tx`update overage_reports set attempts = 1 where identifier = ${identifier}`;
      appended = append();
      const waiting = async () =>
        (
          await query`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`
        ).length;
      await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
    });
    await appended;
    expect(await rowsOf(acme)).toMatchObject([{ cancelAt: null, minutes: 3 }]);
    await db.execute(sql`update overage_reports set attempts = 0 where org = ${acme.org}`);
    await append();
    expect((await rowsOf(acme)).map((it) => [it.minutes, it.cancelledAt === null])).toEqual([
      [3, false],
      [2, true],
    ]);
  });

  it('that Stripe refuses to take back becomes a credit', async () => {
    const acme = await billed();
    await acme.record('s1', 3 * MINUTE_MS);
    await look();
    await setBillable(acme, 2);
    const path = '/v1/billing/meter_event_adjustments';
    fake.faults.add({ path, error: { status: 400, type: 'invalid_request_error' } });
    await look();
    await look();
    const sum = (await rowsOf(acme))
      .filter(({ cancelAt }) => cancelAt === null)
      .reduce((all, { minutes }) => all + minutes, 0);
    expect(sum).toBe(2);
    expect((await rowsOf(acme)).at(-1)).toMatchObject({ kind: 'credit' });
  });

  it('is nobody’s without a customer, without a meter, or of the other mode', async () => {
    const acme = await billed({ overageMeter: null });
    await acme.record('s1', 2 * MINUTE_MS);
    const other = await billed();
    await ledger.connection.db
      .update(stripeCustomers)
      .set({ livemode: true })
      .where(eq(stripeCustomers.org, other.org));
    await other.record('s1', 2 * MINUTE_MS);
    await look();
    expect([...(await rowsOf(acme)), ...(await rowsOf(other))]).toEqual([]);
  });

  it('is no more than the plan’s cap', async () => {
    const acme = await billed({ overageCapMs: 2 * MINUTE_MS });
    await acme.record('s1', 5 * MINUTE_MS);
    await look();
    expect(told(acme)).toBe(2);
  });
});
