/** The command, as a person runs it. Under load: worker/ledger/fix/rebuild.test.ts. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, type DatabaseConnection } from '../../drizzle/client.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { makeTestAccount } from '../../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../../local/test-database.ts';
import { parseFlags } from './flags.ts';
import { runRebuild } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const AT = Date.UTC(2026, 4, 20);

let database: TestDatabase;
let connection: DatabaseConnection;
beforeAll(async () => {
  database = await createTestDatabase();
  connection = connect(database.url, { scope: 'worker' });
});
afterAll(async () => {
  await connection.stop();
  await database.drop();
});

/** `npm run rebuild -- ...args`, without the build before it. */
function command(...args: string[]) {
  const { PATH = '', HOME = '' } = process.env;
  const main = ['--import', 'tsx', 'tools/rebuild/main.ts', ...args];
  const env = { PATH, HOME, DATABASE_URL: database.url };
  const { status, stdout } = spawnSync(process.execPath, main, { cwd: ROOT, env });
  return { status, stdout: String(stdout) };
}

it('says what differs, puts it right, and writes down what it did', async () => {
  const { sql, db } = connection;
  const { org } = await makeTestAccount(db);
  const period = await ensurePeriod(db, org, AT);
  await sql`
    insert into monthly_usage_cache (org, user_id, period, used_ms, plan_ms)
    values (${org}, 'ann', from_epoch_ms(${period!.startsAt}), 1, 1)`;
  const dry = command('--org', org, '--dry-run', '--json');
  expect(dry.status).toBe(1);
  expect(JSON.parse(dry.stdout)).toMatchObject({
    ...{ organizations: 1, rebuilt: 0, isDryRun: true },
    differences: [{ org, action: 'rebuild.months', rows: 1 }],
  });
  const done = command();
  expect([done.status, done.stdout]).toEqual([0, expect.stringContaining(': 1 row put right.')]);
  const [row] = await sql`select used_ms from monthly_usage_cache where org = ${org}`;
  expect(row).toEqual({ used_ms: 0 });
  const audit = await sql`select action from audit_log where org = ${org}`;
  expect(audit).toMatchObject([{ action: 'operator.rebuild.months' }]);
});

it('counts pieces and costs again as well', async () => {
  const { sql, db } = connection;
  const { org } = await makeTestAccount(db);
  await sql`
    insert into feature_consumptions
      (org, id, user_id, feature, quantity, day_starts_at, month_starts_at, actor, consumed_at)
    values (${org}, gen_random_uuid(), 'ann', 'export', 3, '2026-05-20', '2026-05-01', 'key:k', now())`;
  await sql`
    insert into usage_quotas (org, user_id, feature, per, starts_at, ends_at, used)
    values (${org}, '', 'export', 'day', '2026-05-20', '2026-05-21', 2),
      (${org}, 'ann', 'export', 'day', '2026-05-20', '2026-05-21', 3),
      (${org}, '', 'export', 'month', '2026-05-01', '2026-06-01', 0)`;
  await sql`
    insert into usage_events (org, id, kind, quantity, cost_micros, day, occurred_at, recorded_at)
    values (${org}, 'call-1', 'tokens', 1, 500, '2026-05-20', now(), now())`;
  const dry = command('--org', org, '--dry-run', '--json');
  expect(JSON.parse(dry.stdout)).toMatchObject({
    rebuilt: 0,
    differences: [
      { org, action: 'rebuild.pieces', rows: 3 },
      { org, action: 'rebuild.costs', rows: 1 },
    ],
  });
  expect(dry.status).toBe(1);
  expect(command('--org', org).stdout).toContain(': 4 rows put right.');
  const used = await sql`
    select user_id, per, used from usage_quotas where org = ${org} order by user_id, per`;
  // The member's month was missing altogether.
  expect(used.map((it) => it.used)).toEqual([3, 3, 3, 3]);
  const [day] = await sql`select cost_micros, events from daily_costs where org = ${org}`;
  expect(day).toEqual({ cost_micros: 500, events: 1 });
  const audit = await sql`select action, detail from audit_log where org = ${org} order by id`;
  expect(audit).toEqual([
    { action: 'operator.rebuild.pieces', detail: { rows: 3 } },
    { action: 'operator.rebuild.costs', detail: { rows: 1 } },
  ]);
  const again = command('--org', org, '--dry-run');
  expect([again.status, again.stdout]).toEqual([
    0,
    expect.stringContaining('1 organization with 0 minute records: 0 rows to put right.'),
  ]);
});

it('refuses what it does not know, and says it', async () => {
  const context = { database: connection, actor: 'tester', say: () => {} };
  await expect(runRebuild(context, { org: 'nobody', isDryRun: false })).rejects.toThrow(
    'knows no organization "nobody"',
  );
  expect(() => parseFlags(['--quickly'])).toThrow('--quickly');
  expect(() => parseFlags(['--org', '-'])).toThrow('--org');
  expect(parseFlags(['--help'])).toBe('help');
});
