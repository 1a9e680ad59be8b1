import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { shardOf } from '../../core/meter/keys.ts';
import { LimitMode } from '../../core/meter/rows.ts';
import { makeTestAccount } from '../../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../../local/test-database.ts';
import { connect, type Database, type DatabaseConnection } from '../client.ts';
import { meterOutbox } from '../schema/operations.ts';
import { organizations } from '../schema/organizations.ts';
import { billingPeriods } from '../schema/periods.ts';
import { plans } from '../schema/plans.ts';
import { usageAlerts } from '../schema/usage.ts';
import { applyGrant, applyLimits, applyMember, applyPlan } from './apply-limits.ts';
import { carryOutDecrease } from './carry-out-decrease.ts';
import { ensurePeriod } from './ensure-period.ts';
import { loadLimits } from './load-limits.ts';
import { loadSeeds } from './load-seeds.ts';

const MINUTE_MS = 60_000;
const AT = Date.UTC(2026, 4, 20);
const MAY = Date.UTC(2026, 4, 1);
const JUNE = Date.UTC(2026, 5, 1);

let database: TestDatabase;
let connection: DatabaseConnection;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  connection = connect(database.url);
  db = connection.db;
});
afterAll(async () => {
  await connection.stop();
  await database.drop();
});

const periodOf = async (org: string) =>
  (await db.select().from(billingPeriods).where(eq(billingPeriods.org, org)))[0]!;

describe('ensurePeriod', () => {
  it('makes the row once, whoever comes first, with the limits of plan and organization', async () => {
    const { org } = await makeTestAccount(db, {
      plan: { quotaMs: 60 * MINUTE_MS, atLimit: 'overage', overageCapMs: 5 },
      org: { quotaMs: 30 * MINUTE_MS },
    });
    const made = await Promise.all([1, 2, 3, 4, 5].map(() => ensurePeriod(db, org, AT)));
    for (const period of made) expect(period).toEqual({ startsAt: MAY, endsAt: JUNE });
    const rows = await db.select().from(billingPeriods).where(eq(billingPeriods.org, org));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      startsAt: MAY,
      endsAt: JUNE,
      quotaMs: 30 * MINUTE_MS,
      mode: LimitMode.overage,
      overageCapMs: 5,
    });
  });

  it('knows no period of an organization that is not there', async () => {
    expect(await ensurePeriod(db, 'nobody', AT)).toBeNull();
  });

  it('begins a new calendar where the old period ends', async () => {
    const { org } = await makeTestAccount(db);
    await ensurePeriod(db, org, AT);
    await db.update(organizations).set({ anchorDay: 15 }).where(eq(organizations.id, org));
    expect(await ensurePeriod(db, org, AT)).toEqual({ startsAt: MAY, endsAt: JUNE });
    const next = await ensurePeriod(db, org, JUNE);
    expect(next).toEqual({ startsAt: JUNE, endsAt: Date.UTC(2026, 5, 15) });
    const before = await ensurePeriod(db, org, MAY - 1);
    expect(before).toEqual({ startsAt: Date.UTC(2026, 3, 15), endsAt: MAY });
  });
});

it('puts an organization into the same shard as the meter does', async () => {
  for (const id of ['acme', 'a', 'Org-7._:x', 'z'.repeat(128)]) {
    const [row] = await db.execute<{ shard: number }>(sql`select shard_of(${id}) as shard`);
    expect(row?.shard).toBe(shardOf(id));
  }
});

describe('a change of limits', () => {
  it('moves an increase at once, with a higher version, and leaves word', async () => {
    const { org, plan } = await makeTestAccount(db, { plan: { quotaMs: MINUTE_MS } });
    await ensurePeriod(db, org, AT);
    const before = await periodOf(org);
    await db.transaction(async (tx) => {
      await tx.update(plans).set({ quotaMs: null }).where(eq(plans.id, plan));
      await applyPlan(tx, plan, AT);
    });
    const after = await periodOf(org);
    expect(after).toMatchObject({ quotaMs: null, decreasePending: false });
    expect(after.version).toBeGreaterThan(before.version);
    const words = await db.select().from(meterOutbox).where(eq(meterOutbox.org, org));
    expect(words).toMatchObject([{ org, user: null }]);
  });

  it('keeps the old figures for a decrease until it is carried out', async () => {
    const { org, plan } = await makeTestAccount(db, { plan: { quotaMs: 10 * MINUTE_MS } });
    await ensurePeriod(db, org, AT);
    const before = await periodOf(org);
    await db.transaction(async (tx) => {
      await tx.update(plans).set({ quotaMs: MINUTE_MS }).where(eq(plans.id, plan));
      await applyPlan(tx, plan, AT);
    });
    expect(await periodOf(org)).toEqual({ ...before, decreasePending: true });
    await db.transaction((tx) => carryOutDecrease(tx, org));
    const after = await periodOf(org);
    expect(after).toMatchObject({ quotaMs: MINUTE_MS, decreasePending: false });
    expect(after.version).toBeGreaterThan(before.version);
  });

  it.each([
    ['stop to overage', { atLimit: 'overage' }, false],
    ['stop to shadow', { enforcement: 'shadow' }, false],
    ['a larger quota', { quotaMs: 6 * MINUTE_MS }, false],
    ['unlimited', { quotaMs: null }, false],
    ['a smaller quota', { quotaMs: MINUTE_MS }, true],
    ['a smaller quota with overage', { quotaMs: MINUTE_MS, atLimit: 'overage' }, true],
  ] as const)('judges %s', async (_name, change, isDecrease) => {
    const { org, plan } = await makeTestAccount(db, { plan: { quotaMs: 5 * MINUTE_MS } });
    await ensurePeriod(db, org, AT);
    await db.transaction(async (tx) => {
      await tx.update(plans).set(change).where(eq(plans.id, plan));
      await applyPlan(tx, plan, AT);
    });
    expect((await periodOf(org)).decreasePending).toBe(isDecrease);
  });

  it.each([
    ['overage to stop', { atLimit: 'stop' }, true],
    ['a first cap', { overageCapMs: 100 }, true],
    ['overage to shadow', { enforcement: 'shadow' }, true],
  ] as const)('judges %s', async (_name, change, isDecrease) => {
    const { org, plan } = await makeTestAccount(db, { plan: { quotaMs: 1, atLimit: 'overage' } });
    await ensurePeriod(db, org, AT);
    await db.transaction(async (tx) => {
      await tx.update(plans).set(change).where(eq(plans.id, plan));
      await applyPlan(tx, plan, AT);
    });
    expect((await periodOf(org)).decreasePending).toBe(isDecrease);
  });

  it('leaves ended periods alone', async () => {
    const { org } = await makeTestAccount(db, { org: { quotaMs: 5 } });
    await ensurePeriod(db, org, AT);
    await db.transaction(async (tx) => {
      await tx.update(organizations).set({ quotaMs: 9 }).where(eq(organizations.id, org));
      await applyLimits(tx, [org], JUNE);
    });
    expect((await periodOf(org)).quotaMs).toBe(5);
  });

  it('does not miss a period that is made meanwhile', async () => {
    const { org } = await makeTestAccount(db, { org: { quotaMs: 5 } });
    let making: Promise<unknown> = Promise.resolve();
    await db.transaction(async (tx) => {
      await tx.update(organizations).set({ quotaMs: 9 }).where(eq(organizations.id, org));
      await applyLimits(tx, [org], AT);
      making = ensurePeriod(db, org, AT);
      await tx.execute(sql`select pg_sleep(0.1)`);
    });
    await making;
    expect((await periodOf(org)).quotaMs).toBe(9);
  });
});

describe('seeds', () => {
  it('say limits, what is settled and what was crossed of organization and member', async () => {
    const { org } = await makeTestAccount(db, {
      plan: {
        quotaMs: 60 * MINUTE_MS,
        thresholds: { percent: [100, 80], remainingMinutes: [1, 5] },
      },
      members: [{ user: 'alice', quotaMs: 10 * MINUTE_MS }],
    });
    await ensurePeriod(db, org, AT);
    await db
      .update(billingPeriods)
      .set({ usedMs: 7, planMs: 4, extraMs: 2, overageMs: 1, sequence: 3 })
      .where(eq(billingPeriods.org, org));
    const own = organizationBudget(org, MAY);
    const alice = memberBudget(org, 'alice', MAY);
    const bob = memberBudget(org, 'bob', MAY);
    const alert = { org, budget: own, scope: 'organization', crossedAt: AT } as const;
    await db.insert(usageAlerts).values([
      { ...alert, level: 80, version: 2 },
      { ...alert, level: 80, version: 5 },
      { ...alert, level: -5 * MINUTE_MS, version: 4 },
    ]);
    const seeds = await loadSeeds(db, org, [own, alice, bob]);
    expect(seeds).toMatchObject({
      org,
      generation: 0,
      account: { grantedMs: 0, suspended: false },
    });
    expect(seeds?.budgets).toMatchObject([
      {
        name: own,
        quotaMs: 60 * MINUTE_MS,
        mode: LimitMode.stop,
        startsAt: MAY,
        endsAt: JUNE,
        levels: [80, 100, -5 * MINUTE_MS, -MINUTE_MS],
        crossed: [5, 0, 4, 0],
        settled: { sequence: 3, usedMs: 7, planMs: 4, extraMs: 2, overageMs: 1 },
      },
      { name: alice, quotaMs: 10 * MINUTE_MS, crossed: [0, 0, 0, 0] },
      { name: bob, quotaMs: null, settled: { sequence: 0, usedMs: 0 } },
    ]);
  });

  it('make the period they are asked for, and refuse an instant that begins none', async () => {
    const { org } = await makeTestAccount(db);
    const seeds = await loadSeeds(db, org, [organizationBudget(org, JUNE)]);
    expect(seeds?.budgets[0]).toMatchObject({ startsAt: JUNE, quotaMs: null });
    await expect(loadSeeds(db, org, [organizationBudget(org, JUNE + 1)])).rejects.toThrow(
      `${JUNE + 1}`,
    );
    await expect(loadSeeds(db, org, ['o|another|0'])).rejects.toThrow('o|another|0');
    expect(await loadSeeds(db, 'nobody', ['o|nobody|0'])).toBeNull();
  });

  it("carry a member's and a grant's new version", async () => {
    const { org } = await makeTestAccount(db, { members: [{ user: 'alice' }] });
    const names = [organizationBudget(org, MAY), memberBudget(org, 'alice', MAY)];
    const before = await loadSeeds(db, org, names);
    await db.transaction((tx) => applyMember(tx, org, 'alice'));
    await db.transaction(async (tx) => {
      await tx.update(organizations).set({ suspended: true }).where(eq(organizations.id, org));
      await applyGrant(tx, org);
    });
    const after = await loadSeeds(db, org, names);
    expect(after?.account.suspended).toBe(true);
    expect(after!.account.version).toBeGreaterThan(before!.account.version);
    expect(after!.budgets[0]!.version).toBe(before!.budgets[0]!.version);
    expect(after!.budgets[1]!.version).toBeGreaterThan(before!.budgets[1]!.version);
    // Mode and levels of a member's budget are the plan's, so a change of those must reach it too.
    await db.transaction((tx) => applyLimits(tx, [org], AT));
    const later = await loadSeeds(db, org, names);
    expect(later!.budgets[1]!.version).toBeGreaterThan(after!.budgets[1]!.version);
  });
});

it('loads what an admission needs, of an organization and of a member if there is one', async () => {
  const { org, plan } = await makeTestAccount(db, {
    plan: { concurrentSessions: 3, maxSessionMs: MINUTE_MS, enforcement: 'shadow' },
    members: [{ user: 'alice', concurrentSessions: 1 }],
  });
  expect(await loadLimits(db, org, 'alice')).toMatchObject({
    org,
    plan,
    isShadow: true,
    concurrentSessions: 3,
    maxSessionMs: MINUTE_MS,
    levels: [80, 90, 100, -600_000, -300_000, -60_000],
    member: { quotaMs: null, concurrentSessions: 1 },
  });
  expect((await loadLimits(db, org, 'bob'))?.member).toBeNull();
  expect(await loadLimits(db, 'nobody', 'alice')).toBeNull();
});
