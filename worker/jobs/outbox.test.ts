import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memberBudget } from '../../core/meter/budget-name.ts';
import type { Transaction } from '../../drizzle/client.ts';
import { applyGrant, applyMember, applyPlan } from '../../drizzle/queries/apply-limits.ts';
import { adjustments, extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { auditLog, meterOutbox } from '../../drizzle/schema/operations.ts';
import { organizationMembers, organizations } from '../../drizzle/schema/organizations.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { plans } from '../../drizzle/schema/plans.ts';
import { usageTracking } from '../../drizzle/schema/sessions.ts';
import { settle } from '../ledger/settle.ts';
import { recover } from '../recovery/recover.ts';
import {
  createTestLedger,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { deliver, startOutbox } from './outbox.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const change = (run: (tx: Transaction) => Promise<void>) => ledger.connection.db.transaction(run);
const words = () => ledger.connection.db.select().from(meterOutbox);
const periodOf = async ({ org }: TestOrganization) =>
  (await ledger.connection.db.select().from(billingPeriods).where(eq(billingPeriods.org, org)))[0]!;
const setPlan = (plan: string, values: Partial<typeof plans.$inferInsert>) =>
  change(async (tx) => {
    await tx.update(plans).set(values).where(eq(plans.id, plan));
    await applyPlan(tx, plan, ledger.now);
  });

describe('the outbox', () => {
  it('tells a live session of a larger quota, and forgets the word', async () => {
    const acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    await acme.open('s1');
    await setPlan(acme.plan, { quotaMs: 5 * MINUTE_MS });
    expect(await acme.budget()).toMatchObject({ quotaMs: MINUTE_MS });
    expect(await deliver(ledger.context)).toMatchObject({ delivered: 1, kept: 0 });
    expect(await acme.budget()).toMatchObject({ quotaMs: 5 * MINUTE_MS });
    expect(await words()).toEqual([]);
  });

  it('delivers nothing of a change that was rolled back', async () => {
    const acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    await expect(
      change(async (tx) => {
        await applyPlan(tx, acme.plan, ledger.now);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(await deliver(ledger.context)).toEqual({ delivered: 0, kept: 0 });
  });

  it('keeps a word until its shard has been recovered', async () => {
    const acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    await acme.open('s1');
    await setPlan(acme.plan, { quotaMs: null });
    await ledger.lose(acme.shard);
    expect(await deliver(ledger.context)).toEqual({ delivered: 0, kept: 1 });
    expect(await words()).toHaveLength(1);
    await recover(ledger.context, [acme.shard]);
    expect(await deliver(ledger.context)).toMatchObject({ delivered: 1, kept: 0 });
    expect(await acme.budget()).toMatchObject({ quotaMs: null });
  });

  it('stops a suspended organization, and lets it go on', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    const suspend = (suspended: boolean) =>
      change(async (tx) => {
        await tx.update(organizations).set({ suspended }).where(eq(organizations.id, acme.org));
        await applyGrant(tx, acme.org);
      });
    await suspend(true);
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ stopReason: 'organizationSuspended', stops: 1 });
    await suspend(false);
    await deliver(ledger.context);
    expect(await acme.budget()).toMatchObject({ stopReason: '', stoppedAt: 0 });
  });

  it("tells a member's own limit, and the plan's mode to members that have one", async () => {
    const acme = await ledger.account({ plan: { quotaMs: null } });
    await acme.open('s1');
    const own = async () => {
      const reply = await ledger.meter.readBudgets(acme.org, [
        memberBudget(acme.org, 'alice', MAY),
      ]);
      return reply.status === 'ok' ? reply.budgets[0] : undefined;
    };
    await change(async (tx) => {
      await tx
        .update(organizationMembers)
        .set({ quotaMs: 7000 })
        .where(eq(organizationMembers.org, acme.org));
      await applyMember(tx, acme.org, 'alice');
    });
    await deliver(ledger.context);
    expect(await own()).toMatchObject({ quotaMs: 7000, mode: 0 });
    await setPlan(acme.plan, { enforcement: 'shadow' });
    await deliver(ledger.context);
    expect(await own()).toMatchObject({ quotaMs: 7000, mode: 2 });
  });

  it('hears of a change at once', async () => {
    const acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    await acme.open('s1');
    const outbox = await startOutbox({
      ...{ context: ledger.context, log: ledger.context.log, everyMs: 3_600_000 },
    });
    await setPlan(acme.plan, { quotaMs: null });
    await expect.poll(async () => (await acme.budget()).quotaMs, { timeout: 10_000 }).toBeNull();
    await outbox.stop();
  });
});

describe('a plan of many organizations', () => {
  /** more than one turn */
  const MANY = 510;

  it('is told few at a time, who records first, turn by turn, and holds nobody up', async () => {
    const { db } = ledger.connection;
    const lost = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    // The last by its name; what it is written down with makes it live.
    const id = `zzz-${lost.org}`;
    let live = await ledger.account({ org: { id }, plan: { quotaMs: MINUTE_MS } });
    for (let n = 0; live.shard === lost.shard; n++) {
      live = await ledger.account({ org: { id: `${id}${n}` }, plan: { quotaMs: MINUTE_MS } });
    }
    await live.open('s1');
    await settle(ledger.context, live.shard, { limit: 100 });
    await db.update(organizations).set({ plan: live.plan }).where(eq(organizations.id, lost.org));
    await db.execute(sql`
      insert into organizations (id, name, plan)
      select ${`many-${lost.org}-`} || n, 'one of many', ${live.plan}
      from generate_series(1, ${MANY * 200}) n
      where shard_of(${`many-${lost.org}-`} || n) = ${live.shard} limit ${MANY}`);
    await ledger.lose(lost.shard);
    await setPlan(live.plan, { quotaMs: 5 * MINUTE_MS });
    const waiting = await words();
    expect(waiting[0]).toMatchObject({ org: live.org });
    expect(waiting).toHaveLength(MANY + 2);

    let [underWay, most] = [0, 0];
    const order: string[] = [];
    const meter: typeof ledger.meter = Object.create(ledger.meter);
    meter.seed = async (command) => {
      underWay += 1;
      most = Math.max(most, underWay);
      const reply = await ledger.meter.seed(command);
      underWay -= 1;
      order.push(command.org);
      return reply;
    };
    const turns: number[] = [];
    const outcome = await deliver({ ...ledger.context, meter }, (count) => turns.push(count));
    expect(outcome).toEqual({ delivered: waiting.length - 1, kept: 1 });
    expect(turns.length).toBeGreaterThan(1);
    expect(order.indexOf(live.org)).toBeLessThan(4);
    expect([most > 1, most <= 4]).toEqual([true, true]);
    expect(await words()).toMatchObject([{ org: lost.org }]);
    await recover(ledger.context, [lost.shard]);
    await deliver(ledger.context);
    expect(await words()).toEqual([]);
  });
});

describe('a decrease', () => {
  it('splits what was recorded before it by the old figures', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS, atLimit: 'overage' } });
    await acme.open('s1');
    await ledger.advance(90_000);
    // Half a minute of it is still open in the meter, nothing is settled.
    await acme.beat('s1', 90_000);
    await setPlan(acme.plan, { quotaMs: MINUTE_MS });
    expect(await periodOf(acme)).toMatchObject({ quotaMs: 10 * MINUTE_MS, decreasePending: true });
    await deliver(ledger.context);
    expect(await periodOf(acme)).toMatchObject({
      ...{ quotaMs: MINUTE_MS, decreasePending: false },
      ...{ usedMs: 90_000, planMs: 90_000, overageMs: 0 },
    });
    expect(await acme.budget()).toMatchObject({ quotaMs: MINUTE_MS, planMs: 90_000 });
    await ledger.advance(10_000);
    await acme.beat('s1', 100_000);
    await acme.close('s1', 100_000);
    await settle(ledger.context, acme.shard, { limit: 100 });
    expect(await periodOf(acme)).toMatchObject({ planMs: 90_000, overageMs: 10_000 });
    const minutes = await ledger.connection.db
      .select()
      .from(usageTracking)
      .where(eq(usageTracking.org, acme.org));
    expect(minutes.map((it) => [it.planMs, it.billableMs]).sort()).toEqual([
      [30_000, 10_000],
      [60_000, 0],
    ]);
  });

  it('takes extra minutes back from the lots that would burn last, never what was used', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0 } });
    const { db } = ledger.connection;
    const lot = (id: string, purchasedAt: number) => ({
      ...{ id: `${acme.org}.${id}`, org: acme.org, purchasedAt, grantedMs: MINUTE_MS },
      source: 'import' as const,
    });
    await db.insert(extraMinutesPurchases).values([lot('a', 1), lot('b', 2)]);
    await acme.open('s1');
    await ledger.advance(30_000);
    await acme.beat('s1', 30_000);
    await change(async (tx) => {
      await tx.insert(adjustments).values({
        ...{ id: `${acme.org}.back`, org: acme.org, kind: 'extra', ms: -2 * MINUTE_MS },
        ...{ reason: 'a mistake', actor: 'test', createdAt: ledger.now },
      });
      await applyGrant(tx, acme.org);
    });
    await deliver(ledger.context);
    const lots = await db
      .select()
      .from(extraMinutesPurchases)
      .where(eq(extraMinutesPurchases.org, acme.org));
    expect(lots.map((it) => [it.id.split('.')[1], it.usedMs, it.reversedMs]).sort()).toEqual([
      ['a', 30_000, 30_000],
      ['b', 0, MINUTE_MS],
    ]);
    const [row] = await db.select().from(adjustments).where(eq(adjustments.org, acme.org));
    expect(row).toMatchObject({ appliedAt: ledger.now, unappliedMs: 30_000 });
    expect(await acme.budget()).toMatchObject({ remainingMs: 0, stopReason: 'limitReached' });
    const audit = await db.select().from(auditLog).where(eq(auditLog.org, acme.org));
    expect(audit).toMatchObject([{ action: 'adjustment.takenBack', subject: row?.id }]);
    await deliver(ledger.context);
    expect(await words()).toEqual([]);
  });
});
