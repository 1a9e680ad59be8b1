/** Each check of the ledger is quiet on what is right, and finds what was broken, and only that. */
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLot } from '../../../payments/take-fact.ts';
import { deliver } from '../../jobs/outbox.ts';
import {
  createTestLedger,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../../test-ledger.ts';
import { planLedgerFix } from '../fix/plan.ts';
import { lotOf, PAID, refund, startPayment, takeFacts } from '../test-payments.ts';
import { settleAll } from '../test-rows.ts';
import type { Finding } from './finding.ts';
import { LEDGER_CHECKS } from './ledger-checks.ts';
import { nextSlice } from './organization-slice.ts';
import { inSnapshot } from './snapshot.ts';

let ledger: TestLedger;
let admin: postgres.Sql;
let acme: TestOrganization;
beforeAll(async () => {
  ledger = await createTestLedger();
  admin = postgres(ledger.database.adminUrl, {
    ...{ max: 1, onnotice: () => {} },
    connection: { 'taximeter.scope': 'installation' },
  });
});
afterAll(async () => {
  await admin.end();
  await ledger.stop();
});

/** Two minutes of the plan, one of lot A (1 min), half of one of lot B (5 min); closed. */
beforeEach(async () => {
  await ledger.setNow(MAY + 10 * 24 * 60 * MINUTE_MS);
  acme = await ledger.account({ plan: { quotaMs: 2 * MINUTE_MS } });
  await acme.give(MINUTE_MS);
  await ledger.advance(1_000);
  await acme.give(5 * MINUTE_MS);
  await acme.open('s1');
  await acme.record('s1', 3.5 * MINUTE_MS);
  await acme.close('s1', 3.5 * MINUTE_MS);
  await settleAll(ledger, acme);
});

async function look(now = ledger.now): Promise<Finding[]> {
  const { sql } = ledger.connection;
  const found: Finding[] = [];
  for (const check of LEDGER_CHECKS) {
    found.push(...(await inSnapshot(sql, (tx) => check.run(tx, [acme.org], { now, speed: 1 }))));
  }
  return found;
}
const codes = async (now?: number) => (await look(now)).map((it) => it.code);

const UNGUARDED = [
  ...['usage_tracking', 'extra_minutes_usage', 'extra_minutes_purchases', 'billing_periods'],
];

/** As nobody may: without the triggers that would refuse it. */
async function force(statement: string): Promise<void> {
  await admin.begin(async (tx) => {
    for (const table of UNGUARDED) {
      await tx.unsafe(`alter table ${table} disable trigger user`);
    }
    await tx.unsafe(statement.replaceAll('$org', `'${acme.org}'`));
    for (const table of UNGUARDED) {
      await tx.unsafe(`alter table ${table} enable trigger user`);
    }
  });
}
const LOT_A = `(select id from extra_minutes_purchases where org = $org order by purchased_at limit 1)`;
const OLD = `written_at = now() - interval '1 hour'`;

it('says nothing of a ledger that is right, in the middle of settling and at its end', async () => {
  expect(await codes()).toEqual([]);
  await acme.open('s2', 'bob');
  await acme.record('s2', 1.5 * MINUTE_MS);
  expect(await codes()).toEqual([]);
  await settleAll(ledger, acme);
  expect(await codes()).toEqual([]);
});

describe('derived sums', () => {
  it.each([
    [
      'periodSums',
      'update billing_periods set used_ms = used_ms + 1, plan_ms = plan_ms + 1 where org = $org',
    ],
    [
      'periodSums',
      'update billing_periods set plan_ms = plan_ms - 1, extra_ms = extra_ms + 1 where org = $org',
    ],
    [
      'monthlyCache',
      'update monthly_usage_cache set used_ms = used_ms - 1, plan_ms = plan_ms - 1 where org = $org',
    ],
    ['monthlyCache', 'delete from monthly_usage_cache where org = $org'],
    ['dailyUsage', 'delete from daily_usage where org = $org'],
    [
      'dailyUsage',
      "insert into daily_usage select org, 'ghost', day, 1, 1, 0, 0, 1 from daily_usage where org = $org",
    ],
    ['minuteCount', 'update daily_usage set minutes = minutes + 1 where org = $org'],
    [
      'sessionSums',
      "update sessions set settled_ms = settled_ms - 1, state = 'ended' where org = $org",
    ],
    ['drawnSum', 'update organizations set drawn_ms = drawn_ms + 1 where id = $org'],
  ])('%s: %s', async (code, statement) => {
    await force(statement);
    const found = await look();
    expect(found.map((it) => it.code)).toEqual([code]);
    expect(found[0]).toMatchObject({ org: acme.org, isFixable: true });
  });
});

describe('lots and their payments', () => {
  const force = (statement: string) => admin.unsafe(statement);
  const steps = (found: readonly Finding[]) => {
    const { sql, db } = ledger.connection;
    return planLedgerFix({ sql, db, actor: 'tester', area: 'doctor' }, found);
  };

  it('a lot that is not what its payment says, once no word of it is on its way', async () => {
    const payment = await startPayment(ledger, acme);
    await takeFacts(ledger, payment, [PAID, refund(500)]);
    // Word is on its way, and the worker carries it out.
    expect(await codes()).toEqual([]);
    await force(`delete from meter_outbox where org = '${acme.org}'`);
    const found = await look();
    expect(found.map((it) => [it.code, it.subject])).toEqual([['paymentLot', payment]]);
    expect(found[0]!.says).toContain('is reversed by 0 ms');
    expect(found[0]!.says).toMatch(/by its payment it should be reversed by 300,?000 ms/);
    for (const step of steps(found)) await step.run();
    await deliver(ledger.context);
    expect(await lotOf(ledger, payment)).toMatchObject({ reversedMs: 300_000 });
    expect(await look()).toEqual([]);
  });

  it('a payment without a lot, which is made as it stands by all that is known', async () => {
    const payment = await startPayment(ledger, acme);
    await takeFacts(ledger, payment, [PAID]);
    await deliver(ledger.context);
    await force(`delete from extra_minutes_purchases where id = '${payment}'`);
    const found = await look();
    expect(found.map((it) => [it.code, it.subject])).toEqual([['paymentWithoutLot', payment]]);
    for (const step of steps(found)) await step.run();
    expect(await lotOf(ledger, payment)).toMatchObject({ grantedMs: 600_000, usedMs: 0 });
    const told = await admin`select action, subject from audit_log where actor = 'tester'
      and org = ${acme.org}`;
    expect([...told]).toEqual([{ action: 'doctor.lot', subject: payment }]);
    expect(await look()).toEqual([]);
  });

  it('lots that were lent, or given back, are in no wrong order', async () => {
    const held = { holdMs: MINUTE_MS, holdUntil: ledger.now + MINUTE_MS };
    const lent = await startPayment(ledger, acme, held);
    const later = await startPayment(ledger, acme);
    await ledger.connection.db.transaction((tx) => openLot(tx, lent));
    await admin`update extra_minutes_purchases set used_ms = 5000 where id = ${lent}`;
    await ledger.advance(1000);
    await takeFacts(ledger, later, [PAID]);
    await ledger.advance(1000);
    await takeFacts(ledger, lent, [PAID]);
    await deliver(ledger.context);
    const order = (await look()).filter((it) => it.code === 'lotOrder');
    expect(order).toEqual([]);
  });
});

describe('the truth itself, which no program repairs', () => {
  it.each([
    [
      'lotSum',
      `update extra_minutes_purchases set used_ms = used_ms - 5 where id = ${LOT_A}`,
      ['lotOrder', 'lotSum'],
    ],
    [
      'minuteSplit',
      'update extra_minutes_usage set ms = ms - 1 where org = $org',
      ['drawnSum', 'lotSum', 'lotSum', 'minuteSplit', 'minuteSplit'],
    ],
    [
      'lotOrder',
      `update extra_minutes_purchases set granted_ms = granted_ms + 5 where id = ${LOT_A}`,
      ['lotOrder'],
    ],
    [
      'lotBounds',
      `alter table extra_minutes_purchases drop constraint extra_minutes_purchases_check;
       update extra_minutes_purchases set used_ms = granted_ms + 1 where id = ${LOT_A}`,
      ['lotBounds'],
    ],
    [
      'minuteOver',
      `alter table usage_tracking drop constraint usage_tracking_ms_check;
       update usage_tracking set ms = ms + 1, plan_ms = plan_ms + 1 where org = $org and minute = 0`,
      ['dailyUsage', 'minuteOver', 'monthlyCache', 'periodSums', 'sessionSums'],
    ],
  ])('%s', async (code, statement, expected) => {
    await force(statement);
    const found = await look();
    expect(found.map((it) => it.code).sort()).toEqual(expected);
    const mine = found.filter((it) => it.code === code);
    expect(mine.every((it) => !it.isFixable)).toBe(true);
    expect(mine[0]!.todo).toContain('never repaired by a program');
    if (code === 'minuteOver') expect(mine[0]!.figures).toEqual({ over: 1, overMs: 1 });
  });

  it('a lot is no longer looked at in the burn order once it is frozen', async () => {
    await force(
      `update extra_minutes_purchases set granted_ms = granted_ms + 5, frozen_at = now() where id = ${LOT_A}`,
    );
    expect(await codes()).toEqual([]);
  });
});

describe('minutes and sessions', () => {
  it('minuteHole: a minute before later ones is not full, ten minutes after', async () => {
    await force(
      `update usage_tracking set ms = ms - 7, plan_ms = plan_ms - 7 where org = $org and minute = 0`,
    );
    expect(await codes()).not.toContain('minuteHole');
    await force(`update usage_tracking set ${OLD} where org = $org`);
    const hole = (await look()).find((it) => it.code === 'minuteHole');
    expect(hole).toMatchObject({ figures: { missingMs: 7 }, isFixable: false });
    await force(`delete from usage_tracking where org = $org and minute = 0`);
    const gone = (await look()).find((it) => it.code === 'minuteHole');
    expect(gone).toMatchObject({ figures: { missingMs: MINUTE_MS } });
  });

  it('sessionUnclosed: what is missing of an ended session, after ten minutes', async () => {
    await force(
      `update sessions set recorded_ms = recorded_ms + 9, state = 'ended' where org = $org`,
    );
    expect(await codes()).toEqual([]);
    const found = await look(ledger.now + 11 * MINUTE_MS);
    expect(found).toMatchObject([{ code: 'sessionUnclosed', figures: { missingMs: 9 } }]);
  });
});

describe('periods and alerts', () => {
  const DAY_MS = 24 * 60 * MINUTE_MS;

  it('periodMissing: less than a day before the boundary, and at once for one that records', async () => {
    expect(await codes(MAY + 29.5 * DAY_MS)).toEqual([]);
    expect(await codes(MAY + 30.5 * DAY_MS)).toEqual(['periodMissing']);
    await acme.open('s2', 'bob');
    await acme.record('s2', 61_000);
    await settleAll(ledger, acme);
    expect(await codes(MAY + 40 * DAY_MS)).toEqual(['periodMissing']);
  });

  it('periodOverlap', async () => {
    await force(`insert into billing_periods (org, starts_at, ends_at, quota_ms, mode, version)
      select org, starts_at + interval '3 days', ends_at + interval '3 days', quota_ms, mode, version
      from billing_periods where org = $org`);
    expect(await codes()).toEqual(['periodOverlap']);
  });

  it('alertMissing: a crossed threshold without a row, a minute after', async () => {
    await force(`delete from usage_alerts where org = $org and level = 90`);
    expect(await codes()).toEqual([]);
    await force(`update usage_tracking set ${OLD} where org = $org`);
    // The limits are newer than what was recorded: the meter need not have looked.
    expect(await codes()).toEqual([]);
    await admin`update organizations set updated_at = '2020-01-01' where id = ${acme.org}`;
    await admin`update plans set updated_at = '2020-01-01' where id = ${acme.plan}`;
    expect(await look()).toMatchObject([{ code: 'alertMissing', figures: { level: 90 } }]);
  });
});

it('goes through all organizations in slices of bounded cost, each once', async () => {
  const seen: string[] = [];
  const sizes: number[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const slice = await inSnapshot(ledger.connection.sql, (tx) =>
      nextSlice(tx, after!, { organizations: 5, minutes: 12 }),
    );
    seen.push(...slice.orgs);
    sizes.push(slice.minutes);
    after = slice.after;
  }
  const all = await ledger.connection.sql<
    { id: string }[]
  >`select id from organizations order by id`;
  expect(seen).toEqual(all.map((it) => it.id));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(12);
});

it('finds overage that Stripe is not told of, a while after it was used', async () => {
  const plan = { quotaMs: 0, atLimit: 'overage', overageMeter: 'minutes' } as const;
  acme = await ledger.account({ plan });
  await acme.open('s1');
  await acme.record('s1', 2.5 * MINUTE_MS);
  await ledger.meter.flush(acme.shard);
  await settleAll(ledger, acme);
  expect(await codes()).toEqual([]);
  await force(
    `update usage_tracking set written_at = now() - interval '11 minutes' where org = $org`,
  );
  const [bare] = await look();
  expect(bare).toMatchObject({ code: 'overageUntold', figures: { minutes: 2 } });
  expect(bare!.says).toMatch(/^2 minutes of overage .* has no customer there/);
  await force(`insert into stripe_customers (org, customer, livemode) values ($org, $org, true)`);
  expect((await look()).map((it) => it.says)).toEqual([
    expect.stringContaining('no worker has the key'),
  ]);
  await force(`update plans set overage_meter = null where id = '${acme.plan}'`);
  expect(await codes()).toEqual([]);
});
