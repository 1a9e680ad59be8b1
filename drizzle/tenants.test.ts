/** What tenants see of each other: nothing, in any table there is. */
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { connect, type Database, type DatabaseConnection } from './client.ts';
import { migrate } from './migrate.ts';
import { ensurePeriod } from './queries/ensure-period.ts';

const AT = Date.UTC(2026, 4, 20);
const MAY = Date.UTC(2026, 4, 1);
/** Of no tenant: what they hold is the installation's, and the same for all. */
const SHARED = [
  'extra_minutes_packages',
  'extra_minutes_prices',
  'meter_clock',
  'outages',
  'payment_checks',
  'plans',
  'recoveries',
  'shards',
];

let database: TestDatabase;
let owner: DatabaseConnection;
let worker: DatabaseConnection;
let gateway: DatabaseConnection;
let [ours, theirs] = ['', ''];

beforeAll(async () => {
  database = await createTestDatabase();
  owner = connect(database.adminUrl);
  worker = connect(database.url);
  gateway = connect(database.gatewayUrl, { connections: 3 });
  ours = await fill();
  theirs = await fill();
});
afterAll(async () => {
  await Promise.all([owner.stop(), worker.stop(), gateway.stop()]);
  await database.drop();
});

/** An organization with a row in every table that has rows of tenants. */
async function fill(): Promise<string> {
  const { org } = await makeTestAccount(worker.db, { members: [{ user: 'ann' }] });
  await ensurePeriod(worker.db, org, AT);
  const rows = [
    sql`insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period,
        generation)
      values (${org}, 's', 'ann', from_epoch_ms(${AT}), '2026-05-01', from_epoch_ms(${MAY}),
        from_epoch_ms(${MAY}), 1)`,
    sql`insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms,
        plan_ms, extra_ms, overage_ms, billable_ms, debt_ms)
      values ('2026-05-01', ${org}, 's', 0, from_epoch_ms(${MAY}), 'ann', '2026-05-20', 9, 0, 9, 0,
        0, 0)`,
    sql`insert into extra_minutes_purchases (id, org, granted_ms, used_ms, purchased_at, source)
      values (${org}, ${org}, 100, 9, now(), 'import')`,
    sql`insert into extra_minutes_usage (session_month, org, session, minute, period, purchase, ms)
      values ('2026-05-01', ${org}, 's', 0, from_epoch_ms(${MAY}), ${org}, 9)`,
    sql`insert into stripe_customers (org, customer, livemode) values (${org}, ${org}, false)`,
    sql`insert into payments (id, org, kind, method, package, granted_ms, amount_cents, currency,
        livemode, started_at)
      values (${org}, ${org}, 'purchase', 'test', 'minutes-60', 1, 1, 'usd', false, now())`,
    sql`insert into payment_refunds (id, org, payment, cents, status)
      values (${org}, ${org}, ${org}, 1, 'pending')`,
    sql`insert into payment_disputes (id, org, payment, cents, status)
      values (${org}, ${org}, ${org}, 1, 'open')`,
    sql`insert into stripe_events (id, type, livemode, created_at, org, effect, payload)
      values (${org}, 't', false, now(), ${org}, 'none', '{}')`,
    sql`insert into top_ups (org, enabled, package, threshold_ms, monthly_cap_cents, currency,
        cool_off_ms)
      values (${org}, false, 'minutes-60', 1, 1, 'usd', 1)`,
    sql`insert into overage_reports (org, period, sequence, kind, minutes, event_name, customer,
        livemode, identifier, occurred_at)
      values (${org}, from_epoch_ms(${MAY}), 1, 'report', 1, 'm', 'c', false, ${org}, now())`,
    sql`insert into stripe_invoices (id, org) values (${org}, ${org})`,
    sql`insert into monthly_usage_cache (org, user_id, period) values (${org}, 'ann', from_epoch_ms(${MAY}))`,
    sql`insert into daily_usage (org, user_id, day) values (${org}, 'ann', '2026-05-20')`,
    sql`insert into usage_alerts (org, budget, level, version, scope, crossed_at)
      values (${org}, 'b', 80, 1, 'organization', now())`,
    sql`insert into adjustments (id, org, kind, ms, reason, actor, created_at)
      values (${org}, ${org}, 'extra', 1, 'r', 'a', now())`,
    sql`insert into usage_quotas (org, feature, per, starts_at, ends_at)
      values (${org}, 'f', 'day', now(), now() + interval '1 day')`,
    sql`insert into feature_consumptions (org, id, user_id, feature, quantity, day_starts_at,
        month_starts_at, actor, consumed_at)
      values (${org}, gen_random_uuid(), 'ann', 'f', 1, now(), now(), 'a', now())`,
    sql`insert into usage_events (org, id, kind, quantity, cost_micros, day, occurred_at, recorded_at)
      values (${org}, 'e', 'k', 1, 1, '2026-05-20', now(), now())`,
    sql`insert into daily_costs (org, day) values (${org}, '2026-05-20')`,
    sql`insert into meter_outbox (org) values (${org})`,
    sql`insert into period_resets (id, org, period, reason, actor)
      values (${org}, ${org}, from_epoch_ms(${MAY}), 'r', 'a')`,
    sql`insert into reconciles (id, org, actor) values (${org}, ${org}, 'a')`,
    sql`insert into session_metadata (org, session, value) values (${org}, 's', '{}')`,
    sql`insert into import_rows (org, session, at, user_id, ms) values (${org}, 's', now(), 'ann', 9)`,
    sql`insert into import_lots (lot, org) values (${org}, ${org})`,
    sql`insert into session_lengths (org, session, longest_ms) values (${org}, 's', 1)`,
    sql`insert into session_leases (org, session, user_id, began_at, period, minutes_of, lease_ms)
      values (${org}, 's', 'ann', now(), now(), 'file', 1)`,
    sql`insert into audit_log (actor, action, org) values ('a', 'b', ${org})`,
    sql`insert into shadow_decisions (org, what, reason, binding, decided_at, unit, used, allowed)
      values (${org}, 'refused', 'limitReached', 'organization', now(), 'ms', 1, 1)`,
    sql`insert into api_keys (id, name, key_hash, orgs)
      values (${org}, 'k', encode(sha256(${org}::text::bytea), 'hex'), array[${org}::text])`,
    sql`insert into idempotency_keys (owner, key, request_hash) values (${`key:${org}`}, 'k', 'h')`,
  ];
  for (const row of rows) await worker.db.execute(row);
  return org;
}

interface Table extends Record<string, unknown> {
  name: string;
  forced: boolean;
  policies: number;
  isPartition: boolean;
  /** how whose row it is can be told */
  whose: string;
}

async function tables(): Promise<Table[]> {
  const rows = await owner.db.execute<Table>(sql`
    select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
      c.relispartition as "isPartition",
      (select count(*)::int from pg_policy where polrelid = c.oid) as policies,
      case c.relname when 'organizations' then 'id' when 'api_keys' then 'id'
        when 'idempotency_keys' then 'substr(owner, 5)' else 'org' end as whose
    from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    order by 1`);
  return rows.filter(({ name }) => name !== 'migrations');
}

const guarded = async () =>
  (await tables()).filter(({ name, isPartition }) => !isPartition && !SHARED.includes(name));

/** Whose rows are seen, over all tables that have some. */
async function seenBy(db: Database, { name, whose }: Table): Promise<string[]> {
  const rows = await db.execute<{ whose: string }>(
    sql.raw(`select distinct ${whose} as whose from ${name}`),
  );
  return rows.map((row) => row.whose);
}

/** Rows changed, or the words of the refusal. */
async function attempt(db: Database, statement: string): Promise<number | string> {
  try {
    return (await db.execute(sql.raw(statement))).count;
  } catch (error) {
    return (error as { cause?: Error }).cause?.message ?? String(error);
  }
}

describe('every table', () => {
  it('with rows of tenants is guarded, for its owner too; a partition is out of reach', async () => {
    for (const table of await tables()) {
      if (SHARED.includes(table.name)) continue;
      if (table.isPartition) {
        for (const { db } of [worker, gateway]) {
          expect(await attempt(db, `select from ${table.name}`)).toMatch(/permission denied/);
        }
      } else {
        expect(table, table.name).toMatchObject({ forced: true });
        expect(table.policies, table.name).toBeGreaterThan(1);
      }
    }
  });

  it('has a row of both organizations here, or this test would prove nothing', async () => {
    for (const table of await guarded()) {
      const seen = await seenBy(worker.db, table);
      expect(seen, table.name).toEqual(expect.arrayContaining([ours, theirs]));
    }
  });

  it('shows nothing to a gateway that has not said for whom it asks', async () => {
    for (const table of await guarded()) {
      expect(await seenBy(gateway.db, table), table.name).toEqual([]);
      expect(await seenBy(owner.db, table), `${table.name}, to its owner`).toEqual([]);
    }
  });

  it('shows a bound statement and transaction its own rows only', async () => {
    for (const table of await guarded()) {
      const isOfTenants = !['api_keys', 'idempotency_keys'].includes(table.name);
      const own = isOfTenants ? [ours] : [];
      expect(await seenBy(gateway.tenants.of(ours), table), table.name).toEqual(own);
      await gateway.tenants.of(ours).transaction(async (tx) => {
        expect(await seenBy(tx, table), table.name).toEqual(own);
      });
      if (!isOfTenants) continue;
      const both = await seenBy(gateway.tenants.of([ours, theirs]), table);
      expect(both.sort(), table.name).toEqual([ours, theirs].sort());
    }
  });

  it('lets nobody write what is not theirs, not even a role that may write the table', async () => {
    // The worker's own grants under a gateway's policies: what is refused, is refused by a policy.
    await migrate(database.adminUrl, { loginRole: new URL(database.gatewayUrl).username });
    try {
      for (const { name, whose } of await guarded()) {
        const [column] = await owner.sql<{ name: string }[]>`
          select attname as name from pg_attribute where attrelid = ${name}::regclass and attnum > 0
            and has_column_privilege(${new URL(database.gatewayUrl).username}, attrelid, attnum, 'update')
            and attgenerated = '' and attidentity = '' order by attnum limit 1`;
        if (column === undefined) continue;
        const change = `update ${name} set ${column.name} = ${column.name} where ${whose} = '${theirs}'`;
        expect(await attempt(gateway.tenants.of(ours), change), name).toBe(0);
        expect(await attempt(gateway.db, change), `${name}, unbound`).toBe(0);
      }
      const intrusions = [
        `insert into organization_members (org, user_id) values ('${theirs}', 'eve')`,
        `insert into organizations (id, name, plan) select 'new-one', 'n', id from plans limit 1`,
        `insert into meter_outbox (org) values ('${theirs}')`,
        `insert into audit_log (actor, action, org) values ('a', 'b', '${theirs}')`,
        `insert into audit_log (actor, action) values ('a', 'b')`,
        `insert into adjustments (id, org, kind, ms, reason, actor, created_at)
           values ('x', '${theirs}', 'extra', 1, 'r', 'a', now())`,
        `insert into extra_minutes_purchases (id, org, granted_ms, purchased_at, source)
           values ('x', '${theirs}', 1, now(), 'import')`,
        `insert into session_metadata (org, session, value) values ('${theirs}', 'x', '{}')`,
        `insert into shadow_decisions (org, what, reason, binding, decided_at, unit, used, allowed)
           values ('${theirs}', 'refused', 'r', 'b', now(), 'ms', 1, 1)`,
        `insert into usage_quotas (org, feature, per, starts_at, ends_at)
           values ('${theirs}', 'g', 'day', now(), now() + interval '1 day')`,
        `insert into usage_events (org, id, kind, quantity, cost_micros, day, occurred_at, recorded_at)
           values ('${theirs}', 'x', 'k', 1, 1, '2026-05-20', now(), now())`,
        `insert into daily_costs (org, day) values ('${theirs}', '2026-05-21')`,
        `update meter_outbox set org = '${theirs}' where org = '${ours}'`,
        `insert into idempotency_keys (owner, key, request_hash) values ('key:${theirs}', 'n', 'h')`,
        `insert into api_keys (id, name, key_hash) values ('x', 'k', repeat('a', 64))`,
      ];
      for (const statement of intrusions) {
        const refused = /violates row-level security/;
        expect(await attempt(gateway.tenants.of(ours), statement), statement).toMatch(refused);
      }
    } finally {
      await migrate(database.adminUrl, {
        loginRole: new URL(database.gatewayUrl).username,
        workerRole: new URL(database.url).username,
      });
    }
  });
});

describe('a gateway', () => {
  it('sees all organizations where it asks for the whole installation, and only then', async () => {
    const [table] = (await guarded()).filter(({ name }) => name === 'sessions');
    expect((await seenBy(gateway.tenants.all, table!)).sort()).toEqual([ours, theirs].sort());
    expect(await seenBy(gateway.db, table!)).toEqual([]);
  });

  it('is bound for one transaction: its connection remembers nothing', async () => {
    const table = (await guarded()).find(({ name }) => name === 'sessions')!;
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        const kind = i % 4;
        if (kind === 0) return seenBy(gateway.db, table);
        if (kind === 3) return gateway.tenants.of(ours).transaction((tx) => seenBy(tx, table));
        return seenBy(gateway.tenants.of(kind === 1 ? ours : theirs), table);
      }),
    );
    answers.forEach((seen, i) => {
      expect(seen, `${i}`).toEqual([[], [ours], [theirs], [ours]][i % 4]);
    });
    // A statement that failed leaves its connection as good as before.
    for (let i = 0; i < 6; i++) {
      expect(await attempt(gateway.tenants.of(ours), 'select 1 / 0')).toMatch(/division by zero/);
    }
    expect(await seenBy(gateway.tenants.of(theirs), table)).toEqual([theirs]);
  });

  it.each([
    `insert into usage_tracking select * from usage_tracking`,
    'update usage_tracking set ms = ms',
    'update extra_minutes_purchases set used_ms = 0',
    'update sessions set recorded_ms = 0',
    'insert into extra_minutes_usage select * from extra_minutes_usage',
    'update monthly_usage_cache set used_ms = 0',
    'update shards set generation = 0',
    'update meter_clock set speed = 2',
    "insert into api_keys (id, name, key_hash) values ('x', 'k', repeat('a', 64))",
    'delete from meter_outbox',
    'delete from feature_consumptions',
    'update feature_consumptions set quantity = 1',
    'update usage_events set cost_micros = 0',
    'update usage_alerts set level = 1',
  ])('settles nothing and gives nobody a key: %s', async (statement) => {
    expect(await attempt(gateway.tenants.all, statement)).toMatch(/permission denied/);
  });

  it('that calls itself a worker is none', async () => {
    const posing = connect(database.gatewayUrl, { scope: 'worker' });
    const table = (await guarded()).find(({ name }) => name === 'sessions')!;
    expect(await seenBy(posing.db, table)).toEqual([]);
    await posing.stop();
  });
});
