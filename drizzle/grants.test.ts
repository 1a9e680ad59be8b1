import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { connect, type DatabaseConnection } from './client.ts';
import { checkDatabase } from './database-settings.ts';
import { migrate } from './migrate.ts';
import { ensurePeriod } from './queries/ensure-period.ts';

const AT = Date.UTC(2026, 4, 20);
const MAY = Date.UTC(2026, 4, 1);

let database: TestDatabase;
let owner: DatabaseConnection;
let service: DatabaseConnection;
let org: string;
beforeAll(async () => {
  database = await createTestDatabase();
  owner = connect(database.adminUrl, { scope: 'installation' });
  service = connect(database.url);
  ({ org } = await makeTestAccount(service.db));
  await ensurePeriod(service.db, org, AT);
  await service.sql`
    insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period,
      generation)
    values (${org}, 's1', 'alice', from_epoch_ms(${AT}), '2026-05-01', from_epoch_ms(${MAY}),
      from_epoch_ms(${MAY}), 1)`;
});
afterAll(async () => {
  await owner.stop();
  await service.stop();
  await database.drop();
});

/** What the service role is told; resolves with the words of Postgres' refusal. */
async function refusal(statement: ReturnType<typeof sql>): Promise<string> {
  try {
    await service.db.execute(statement);
  } catch (error) {
    return (error as { cause?: Error }).cause?.message ?? String(error);
  }
  return 'it was allowed';
}

let next = 0;
async function minute(ms: number, parts: Partial<Record<string, number>> = {}): Promise<number> {
  const number = next++;
  const { plan = ms, extra = 0, overage = 0, billable = 0, debt = 0 } = parts;
  await service.db.execute(sql`
    insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms,
      plan_ms, extra_ms, overage_ms, billable_ms, debt_ms)
    values ('2026-05-01', ${org}, 's1', ${number}, from_epoch_ms(${MAY}), 'alice', '2026-05-20',
      ${ms}, ${plan}, ${extra}, ${overage}, ${billable}, ${debt})`);
  return number;
}

describe('the service role', () => {
  it.each([
    'usage_tracking',
    'usage_tracking_default',
    'usage_tracking_2026_11',
    'extra_minutes_usage',
    'extra_minutes_purchases',
    'adjustments',
    'audit_log',
    'usage_alerts',
    'usage_events',
    'feature_consumptions',
    'usage_quotas',
    'sessions',
    'billing_periods',
  ])('deletes nothing from %s', async (table) => {
    const name = sql.identifier(table);
    const [found] = await owner.sql`select to_regclass(${table}) as found`;
    if (found?.found === null) return;
    expect(await refusal(sql`delete from ${name}`)).toMatch(/permission denied/);
    expect(await refusal(sql`truncate ${name}`)).toMatch(/permission denied/);
  });

  it('can not go around the ledger by writing a partition, nor alter a table', async () => {
    expect(await refusal(sql`update usage_tracking_default set ms = 1`)).toMatch(
      /permission denied/,
    );
    expect(await refusal(sql`alter table usage_tracking disable trigger all`)).toMatch(/owner/);
    expect(await refusal(sql`create table mine (a integer)`)).toMatch(/permission denied/);
  });

  it('may all that a gateway with a login of its own may: it can be one login for both', async () => {
    const gateway = new URL(database.gatewayUrl).username;
    const shared = new URL(database.url).username;
    const missing = await owner.sql<{ may: string }[]>`
      select privilege_type || ' ' || table_name || '.' || column_name as may
      from information_schema.column_privileges where grantee = ${gateway}
      union select privilege_type || ' ' || table_name
      from information_schema.table_privileges where grantee = ${gateway}
      except (select privilege_type || ' ' || table_name || '.' || column_name
      from information_schema.column_privileges where grantee = ${shared}
      union select privilege_type || ' ' || table_name
      from information_schema.table_privileges where grantee = ${shared})`;
    expect(missing.map(({ may }) => may)).toEqual([]);
  });

  it('is not a superuser, which a process refuses to be', async () => {
    await checkDatabase(service, 'worker', { development: true });
  });
});

describe('a minute record', () => {
  it('may grow while it is unfinished, with its split kept', async () => {
    const number = await minute(10_000);
    const raise = sql`
      update usage_tracking set ms = 60000, plan_ms = 30000, overage_ms = 30000, debt_ms = 30000
      where org = ${org} and minute = ${number}`;
    expect(await refusal(raise)).toBe('it was allowed');
    const again = sql`
      update usage_tracking set debt_ms = 30000 where org = ${org} and minute = ${number}`;
    expect(await refusal(again)).toMatch(/may only be raised/);
  });

  it.each([
    ['lowered', sql`set ms = 5000, plan_ms = 5000`],
    ['split anew', sql`set plan_ms = 0, extra_ms = 10000`],
    ['longer than a minute', sql`set ms = 60001, plan_ms = 60001`],
    ['more than its parts', sql`set ms = 20000`],
    ['billed beyond its overage', sql`set billable_ms = 1`],
  ])('is never %s', async (_what, change) => {
    const number = await minute(10_000);
    expect(
      await refusal(sql`update usage_tracking ${change} where org = ${org} and minute = ${number}`),
    ).toMatch(/may only be raised|violates check constraint/);
  });

  it.each(['session', 'minute', 'period', 'user_id', 'day'])('keeps its %s', async (column) => {
    const name = sql.identifier(column);
    expect(await refusal(sql`update usage_tracking set ${name} = ${name}`)).toMatch(
      /permission denied/,
    );
  });
});

describe('a lot', () => {
  const lot = (id: string, used = 0, reversed = 0) => sql`
    insert into extra_minutes_purchases (id, org, granted_ms, used_ms, reversed_ms, purchased_at,
      source)
    values (${`${org}.${id}`}, ${org}, 1000, ${used}, ${reversed}, now(), 'import')`;
  const set = (id: string, change: ReturnType<typeof sql>) =>
    sql`update extra_minutes_purchases set ${change} where id = ${`${org}.${id}`}`;

  it('is used between nothing and all of it, and never less than before', async () => {
    expect(await refusal(lot('a', 400))).toBe('it was allowed');
    expect(await refusal(set('a', sql`used_ms = 1001`))).toMatch(/can't become/);
    expect(await refusal(set('a', sql`used_ms = 399`))).toMatch(/can't become/);
    expect(await refusal(lot('b', -1))).toMatch(/check constraint/);
    expect(await refusal(lot('b', 1001))).toMatch(/check constraint/);
    expect(await refusal(set('a', sql`granted_ms = 2000`))).toMatch(/permission denied/);
  });

  it('serves nothing beyond what is left after a reversal', async () => {
    expect(await refusal(lot('c', 400))).toBe('it was allowed');
    expect(await refusal(set('c', sql`reversed_ms = 500`))).toBe('it was allowed');
    expect(await refusal(set('c', sql`used_ms = 500`))).toBe('it was allowed');
    expect(await refusal(set('c', sql`used_ms = 501`))).toMatch(/can't become/);
    expect(await refusal(set('c', sql`reversed_ms = 1000`))).toBe('it was allowed');
  });
});

describe('a session row', () => {
  const change = (what: ReturnType<typeof sql>) =>
    sql`update sessions set ${what} where org = ${org} and id = 's1'`;

  it('is closed only when its minutes come to its total', async () => {
    expect(await refusal(change(sql`state = 'closed', ended_at = now(), recorded_ms = 5`))).toMatch(
      /check constraint/,
    );
    expect(await refusal(change(sql`state = 'ended'`))).toMatch(/check constraint/);
    expect(await refusal(change(sql`settled_ms = 6, recorded_ms = 5`))).toMatch(/check constraint/);
  });
});

describe('partitions', () => {
  it('are made ahead by a service, and take over what waited in the default one', async () => {
    const before = await owner.sql`select count(*)::int as rows from usage_tracking_default`;
    const burnt = await minute(1000, { plan: 0, extra: 1000 });
    await service.sql`
      insert into extra_minutes_purchases (id, org, granted_ms, used_ms, purchased_at, source)
      values (${`${org}.moved`}, ${org}, 1000, 1000, now(), 'import')`;
    await service.sql`
      insert into extra_minutes_usage (session_month, org, session, minute, period, purchase, ms)
      values ('2026-05-01', ${org}, 's1', ${burnt}, from_epoch_ms(${MAY}), ${`${org}.moved`}, 1000)`;
    await service.sql`select make_usage_partitions('2026-05-01', 2)`;
    const [may] = await owner.sql`select count(*)::int as rows from usage_tracking_2026_05`;
    const [rest] = await owner.sql`select count(*)::int as rows from usage_tracking_default`;
    expect(may?.rows).toBeGreaterThan(before[0]?.rows ?? 0);
    expect(rest?.rows).toBe(0);
    const [again] = await service.sql<{ made: number }[]>`
      select make_usage_partitions('2026-05-01', 2) as made`;
    expect(again?.made).toBe(0);
    expect(await refusal(sql`delete from usage_tracking_2026_05`)).toMatch(/permission denied/);
    // The rules hold there too.
    const number = await minute(500);
    expect(
      await refusal(
        sql`update usage_tracking set ms = 400, plan_ms = 400 where minute = ${number}`,
      ),
    ).toMatch(/may only be raised/);
  });
});

describe('a migration', () => {
  it('may be repeated, by several at once', async () => {
    const workerRole = new URL(database.url).username;
    await Promise.all([1, 2, 3].map(() => migrate(database.adminUrl, { workerRole })));
    expect(await refusal(sql`delete from usage_tracking`)).toMatch(/permission denied/);
  });

  it('says how to make a role that is not there, where it may not make it', async () => {
    const making = migrate(database.adminUrl, { workerRole: 'nobody_made_it' });
    await expect(making).rejects.toThrow(/no role "nobody_made_it".*create role "nobody_made_it"/);
  });

  it('refuses a database whose migrations it does not know', async () => {
    await owner.sql`insert into migrations (name, digest) values ('9999-later.sql', '')`;
    await expect(migrate(database.adminUrl)).rejects.toThrow('9999-later.sql');
    await owner.sql`delete from migrations where name = '9999-later.sql'`;
    await owner.sql`update migrations set digest = 'x' where name = '0001-foundation.sql'`;
    await expect(migrate(database.adminUrl)).rejects.toThrow('has changed since');
  });
});
