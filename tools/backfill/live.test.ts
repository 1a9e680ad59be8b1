/** The command on the whole product, beside a recorder that is live, from the database of an old system. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../local/test-database.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';
import { codesOf, doctor, record, reportOf, type Told } from '../doctor/test-recording.ts';
import type { BackfillReport } from './run.ts';
import { randomOf } from './test-source.ts';

const ROOT = join(import.meta.dirname, '../..');
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const PATIENCE_MS = 30_000;
/** The tests' Postgres is fast and not durable, which the doctor says. */
const HERE = ['postgresDurability'];

let product: TestProduct;
let old: TestDatabase;
let admin: postgres.Sql;
let ours: postgres.Sql;
beforeAll(async () => {
  product = await startTestProduct({ intervalMs: 500 });
  old = await createTestDatabase();
  admin = postgres(old.adminUrl, { max: 1, onnotice: () => {} });
  ours = postgres(product.databaseUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`
    drop schema public cascade; create schema public;
    create table usage_tracking (id serial, user_id text, organization_id text, session_id text,
      minute_timestamp timestamp, seconds integer);
    create table extra_minutes_purchases (id serial, organization_id text, minutes_purchased int,
      minutes_remaining int, purchased_at timestamptz, status text);
    create table monthly_usage_cache (organization_id text, user_id text, month date,
      minutes_used int);`);
  await product.api('PUT', '/v1/plans/old', { name: 'old', minutes: 300 });
  await product.api('PUT', '/v1/orgs/acme', { name: 'acme', plan: 'old' });
}, 120_000);
afterAll(async () => {
  await Promise.all([admin.end(), ours.end()]);
  await old.drop();
  await product.stop();
});

interface Kill {
  /** after it has begun */
  afterMs: number;
}

/** `npm run backfill -- ...args`, without the build before it. */
const command = (...args: string[]) => start(args, null);

function start(args: string[], kill: Kill | null): Promise<Told> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'tools/backfill/main.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: product.databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const told: Told = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (it) => {
    told.stdout += it;
  });
  child.stderr.on('data', (it) => {
    if (kill !== null && told.stderr === '') setTimeout(() => child.kill('SIGKILL'), kill.afterMs);
    told.stderr += it;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...told, code }));
  });
}

async function fillOld(): Promise<void> {
  await admin`
    insert into usage_tracking (user_id, organization_id, session_id, minute_timestamp, seconds)
    select 'ann', 'acme', 'old-' || i / 20, date_trunc('minute', now() at time zone 'Europe/Berlin')
      - interval '1 day' - make_interval(mins => i), 60 from generate_series(0, 199) i`;
  await admin`
    insert into usage_tracking (user_id, organization_id, session_id, minute_timestamp, seconds)
    values ('bob', null, 'x', now(), 60), ('bob', 'acme', 'x', now() + interval '9 days', 60)`;
  await admin`
    insert into extra_minutes_purchases
      (organization_id, minutes_purchased, minutes_remaining, purchased_at, status)
    values ('acme', 60, 45, now() - interval '40 days', 'completed')`;
  await admin`
    insert into monthly_usage_cache
    values ('acme', 'ann', date_trunc('month', now() - interval '2 days'), 7)`;
}

const rejects = join(tmpdir(), `taximeter-old-${process.pid}`);
const ZONE = ['--zone', 'Europe/Berlin'];
const FLAGS = [...ZONE, '--json'];

describe('npm run backfill', () => {
  it('imports a database while a session is live, and the live budgets agree with the ledger', async () => {
    await fillOld();
    const live = record(product, { org: 'acme', user: 'ann', ms: 12_000 });
    // So that the meter has counters of the running period, which the import has to reach.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const dry = await command('--from', old.adminUrl, ...FLAGS, '--dry-run');
    const told = await command('--from', old.adminUrl, ...FLAGS, '--rejects', rejects);
    expect(told).toMatchObject({ code: 0 });
    const report = JSON.parse(told.stdout) as BackfillReport;
    expect((JSON.parse(dry.stdout) as BackfillReport).forecast).toEqual(report.forecast);
    expect(report.written).toMatchObject({ rows: 200, ms: 200 * MINUTE_MS });
    expect(report.skipped.map((it) => it.kind).sort()).toEqual(['future', 'noOrganization']);
    expect(report.cache!.differences[0]).toMatchObject({ org: 'acme', sourceMs: 7 * MINUTE_MS });
    await live;
    await vi.waitFor(async () => {
      const seen = await doctor(
        { REDIS_URL: product.redisUrl, DATABASE_URL: product.databaseUrl },
        ...['--json', '--org', 'acme'],
      );
      expect(codesOf(reportOf(seen)).filter((it) => !HERE.includes(it))).toEqual([]);
      const [figures] = reportOf(seen).figures;
      expect(figures!.counterMs).toBe(figures!.usedMs);
      expect(figures!.usedMs).toBeGreaterThan(0);
    }, PATIENCE_MS);
    const [usage] = await ours`select sum(ms)::int as ms, count(*)::int as rows from usage_tracking
      where org = 'acme' and session like 'old-%'`;
    expect(usage).toEqual({ ms: 200 * MINUTE_MS, rows: 200 });
    const [lot] = await ours`select granted_ms - reversed_ms - used_ms as left, source
      from extra_minutes_purchases where org = 'acme'`;
    expect(lot).toMatchObject({ left: String(45 * MINUTE_MS), source: 'import' });
    const [live1] = await ours`select count(*)::int as sessions, min(recorded_ms)::int as ms
      from sessions where org = 'acme' and reason = 'stopped'`;
    expect(live1!.ms).toBeGreaterThan(11_000);
    const audit =
      await ours`select action, actor from audit_log where action like 'backfill%' order by id`;
    expect(audit.map((it) => it.action)).toEqual(['backfill.begin', 'backfill.end']);
  }, 120_000);

  it('killed at any instant and run again comes to the same', async () => {
    const random = randomOf(7);
    await product.api('PUT', '/v1/orgs/cut', { name: 'cut', plan: 'old' });
    const begin = Math.floor(Date.now() / DAY_MS) * DAY_MS - 30 * DAY_MS;
    const lines = Array.from({ length: 6_000 }, (_, i) => {
      const at = new Date(begin + (i % 2_000) * MINUTE_MS).toISOString();
      return `cut,user-${i % 3},cut-${i % 97},${at},60`;
    });
    const path = join(tmpdir(), `taximeter-cut-${process.pid}.csv`);
    writeFileSync(path, ['org,user,session,minute,seconds', ...lines].join('\n'));
    const rows = new Set(lines).size;
    for (let kills = 0; kills < 3; kills++) {
      await start(['--from', path], { afterMs: 200 + random() * 1_800 });
      const [state] = await ours`
        select (select coalesce(sum(taken_ms), 0)::int from import_rows where org = 'cut') as taken,
          (select coalesce(sum(ms), 0)::int from usage_tracking where org = 'cut') as settled`;
      expect(state!.taken).toBe(state!.settled);
    }
    expect(await start(['--from', path], null)).toMatchObject({ code: 0 });
    const [sum] = await ours`select sum(ms)::int as ms from usage_tracking where org = 'cut'`;
    expect(sum!.ms).toBe(rows * MINUTE_MS);
  });

  it('says in words what it did, and what it can not use', async () => {
    const again = await command('--from', old.adminUrl, ...ZONE, '--rejects', rejects);
    expect(again.stdout).toContain('Rows of usage: 0 taken, 0 raised');
    expect(again.stdout).toContain('The ledger has all of it already.');
    expect(again.stdout).toMatch(/201 were imported before \(known\)/);
    expect(again.stdout).toMatch(/it says 7 min, its \d+ rows come to \d+ min/);
    expect(again.stdout + again.stderr).not.toContain(new URL(old.adminUrl).password);
    const none = await command('--from', 'nowhere.csv');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no file') });
    const table = await command('--from', old.adminUrl, '--table', 'minutes');
    expect(table.stderr).toMatch(/has no table "minutes"\. Its tables are: .*usage_tracking/);
    const self = await command('--help');
    expect(self.stdout).toContain('Usage: npm run backfill');
  });
});
