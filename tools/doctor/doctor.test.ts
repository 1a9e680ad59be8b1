/** The command on the whole product: healthy, then broken by hand in many ways, then mended. */
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { shardOf } from '../../core/meter/keys.ts';
import { createLog } from '../../core/runtime/log.ts';
import { connect } from '../../drizzle/client.ts';
import { applyGrant } from '../../drizzle/queries/apply-limits.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';
import { type DoctorFlags, parseFlags } from './flags.ts';
import { withQueues } from './queue-look.ts';
import { report } from './report.ts';
import { type DoctorReport, runDoctor } from './run.ts';
import { openStores } from './stores.ts';
import { codesOf, doctor, record, reportOf } from './test-recording.ts';

/** Meter seconds in a real one: a few seconds of recording are minutes, with lots burnt. */
const SPEED = 60;
const MINUTE_MS = 60_000;
const log = createLog({ name: 'test', level: 'silent' });
/** The tests' Postgres is fast and not durable, which the doctor says. */
const HERE = ['postgresDurability'];
/** Place of `used` in a budget's record: the seventh of its doubles. */
const USED_AT = 48;

let product: TestProduct;
let admin: postgres.Sql;
let redis: Redis;
let env: Record<string, string>;
beforeAll(async () => {
  product = await startTestProduct({ speed: SPEED, intervalMs: 500 });
  admin = postgres(product.adminUrl, {
    ...{ max: 1, onnotice: () => {} },
    connection: { 'taximeter.scope': 'installation' },
  });
  redis = new Redis(product.redisUrl);
  env = { REDIS_URL: product.redisUrl, DATABASE_URL: product.databaseUrl };
  await product.api('PUT', '/v1/plans/two', {
    name: 'two',
    minutes: 2,
    features: { export: true },
  });
  for (const org of ['acme', 'idle']) {
    await product.api('PUT', `/v1/orgs/${org}`, { name: org, plan: 'two' });
  }
  await product.api('POST', '/v1/orgs/acme/consume', { user: 'ann', feature: 'export' });
  await product.api('POST', '/v1/orgs/acme/usage-events', { kind: 'tokens', costCents: 12.5 });
  await giveLots('acme', [1, 8]);
  await record(product, { org: 'acme', user: 'ann', ms: 4_000 });
  await vi.waitFor(async () => {
    const [row] = await admin`select state from sessions where org = 'acme'`;
    expect(row!.state).toBe('closed');
  });
}, 120_000);
afterAll(async () => {
  await admin.end();
  await redis.quit();
  await product.stop();
});

const addresses = () => ({
  ...{ redisUrl: product.redisUrl, databaseUrl: product.databaseUrl, whose: 'test' },
});

/** Without a process of its own. */
async function look(flags: Partial<DoctorFlags>, at = addresses()): Promise<DoctorReport> {
  const stores = openStores(at, log);
  const all = { org: null, user: null, isFix: false, isDryRun: false, isJson: true, dataDir: '' };
  try {
    return await runDoctor({ stores, log, say: () => {}, actor: 'doctor' }, { ...all, ...flags });
  } finally {
    await stores.stop();
  }
}

async function giveLots(org: string, minutes: number[]): Promise<void> {
  const connection = connect(product.databaseUrl, { scope: 'worker' });
  await connection.db.transaction(async (tx) => {
    for (const [i, it] of minutes.entries()) {
      await tx.execute(`insert into extra_minutes_purchases (id, org, granted_ms, purchased_at, source)
        values ('${org}-${i}', '${org}', ${it * MINUTE_MS}, now() + interval '${i} s', 'import')`);
    }
    await applyGrant(tx, org);
  });
  await connection.stop();
}

const purchased = async () => [
  ...(await admin`select * from extra_minutes_purchases order by id`),
  ...(await admin`select * from extra_minutes_usage order by org, session, minute, purchase`),
];

describe('npm run doctor', () => {
  it('says what was looked at and how much, and what this Postgres is not', async () => {
    const told = await doctor(env);
    expect(told.stdout).toMatch(/ok +live counters +2 live counters in 64 of 64 shards/);
    expect(told.stdout).toMatch(/ok +period sums +sums of billing periods of 2 organizations/);
    expect(told.stdout.match(/^ok /gm)).toHaveLength(25);
    expect(told.stdout).toContain('warning postgresDurability (1)');
    expect(told.stdout).toContain('Not well: 1 finding.');
    expect(told.code).toBe(1);
    expect(told.stdout + told.stderr).not.toContain(new URL(product.databaseUrl).password);
  });

  it('shows the figures of one member', async () => {
    const { examination, figures } = await look({ org: 'acme', user: 'ann' });
    const told = report(examination, figures, false);
    expect(told).toMatch(/ann: live counter \d+ ms .*, ledger \d+ ms/);
    expect(told).toMatch(/lots +2 that serve/);
    expect(told).toContain('All is well: 21 things were looked at.');
    expect(figures[0]).toMatchObject({ counterMs: figures[0]!.usedMs, openMs: 0, closed: 1 });
  });

  it('says what it does not know, and never that it is well', async () => {
    const nowhere = 'postgres://nobody:x@127.0.0.1:1/none';
    const lost = await look({}, { ...addresses(), databaseUrl: nowhere });
    expect(lost.isWell).toBe(false);
    const unknown = lost.examination.looks.filter((it) => it.outcome === 'unknown');
    expect(unknown.length).toBeGreaterThan(15);
    expect(unknown[0]!.says).toContain('unknown, since it could not be looked at: connect');
    expect(report(lost.examination, [], false)).toContain('may hide anything');
    const nobody = await look({ user: 'nobody-of-that-name' });
    expect(nobody.isWell).toBe(false);
    expect(report(nobody.examination, [], false)).toContain('no member "nobody-of-that-name"');
  });

  it('says what to set where nothing runs', async () => {
    const told = await doctor({}, '--data', '/nowhere');
    expect(told.code).toBe(2);
    expect(told.stderr).toContain('set REDIS_URL and DATABASE_URL');
    expect(parseFlags(['--help'])).toBe('help');
    expect(() => parseFlags(['--dry-run'])).toThrow('give both');
    expect(() => parseFlags(['--org', "a' or true"])).toThrow('must be an id');
  });
});

describe('what was broken by hand', () => {
  const broken = [
    ...['monthlyCache', 'dailyUsage', 'periodSums', 'sessionSums', 'drawnSum', 'drift'],
    ...['sessionOrphan', 'limitStale', 'unsettledForeign', 'queuePaused', 'queueFailed'],
    ...['pieceCounts', 'dailyCosts'],
  ];

  async function breakAll(): Promise<void> {
    const more = admin`used_ms = used_ms + 7000, plan_ms = plan_ms + 7000`;
    await admin`update monthly_usage_cache set ${more} where org = 'acme'`;
    await admin`delete from daily_usage where org = 'acme'`;
    await admin`update billing_periods set ${more} where org = 'acme'`;
    await admin`update sessions set settled_ms = settled_ms - 3, state = 'ended' where org = 'acme'`;
    await admin`update organizations set drawn_ms = drawn_ms + 60000 where id = 'acme'`;
    await admin`
      insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period,
        generation)
      select org, 'forgotten', 'bob', starts_at, starts_at::date, starts_at, starts_at, 1
      from billing_periods where org = 'acme' limit 1`;
    await record(product, { org: 'idle', user: 'eve', ms: 500 });
    await vi.waitFor(async () => {
      const [row] = await admin`select state from sessions where org = 'idle'`;
      expect(row!.state).toBe('closed');
    });
    await admin`
      update billing_periods set version = nextval('limit_versions') where org = 'idle'`;
    const [budget] = await redis.keys('*b|o|idle|*');
    const record_ = await redis.getBuffer(budget!);
    record_!.writeDoubleBE(record_!.readDoubleBE(USED_AT) + 5_000, USED_AT);
    await redis.set(budget!, record_!);
    await redis.hset(budget!.replace(/b\|o.*/, 'unsettled'), 'm|idle|poison|0|0', '1:5');
    await admin`update usage_quotas set used = used + 7 where org = 'acme' and per = 'day'`;
    await admin`delete from usage_quotas where org = 'acme' and per = 'month' and user_id = 'ann'`;
    await admin`update daily_costs set cost_micros = 0 where org = 'acme'`;
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await withQueues(product.redisUrl, log, async (queue) => {
      if (queue.name !== 'settle') return;
      await queue.pause();
      const job = await queue.add('minutes', { shard: 0, fields: [] });
      for (const list of ['wait', 'paused']) await redis.lrem(queue.toKey(list), 0, job.id!);
      await redis.hset(queue.toKey(job.id!), 'failedReason', 'poisoned by hand');
      await redis.zadd(queue.toKey('failed'), Date.now(), job.id!);
    });
  }

  it('is found, each by its code, and --dry-run says what would be done and does nothing', async () => {
    await breakAll();
    const told = await doctor(env, '--fix', '--dry-run', '--json');
    const result = reportOf(told);
    expect(codesOf(result)).toEqual(expect.arrayContaining([...broken, 'redisEviction']));
    expect(told.code).toBe(1);
    const drift = result.examination.findings.filter((it) => it.code === 'drift');
    expect(drift).toContainEqual(
      expect.objectContaining({
        org: 'idle',
        figures: expect.objectContaining({ driftMs: 5_000 }),
        says: expect.stringContaining('5000 ms (5.000 s) too much'),
      }),
    );
    const pieces = result.examination.findings.filter((it) => it.code === 'pieceCounts');
    expect(pieces.map((it) => it.figures.stored)).toEqual([8, 8, null]);
    expect(pieces[2]!.says).toMatch(/^The month from .+ of ann in acme has no count of "export"/);
    const found = result.examination.findings.find((it) => it.code === 'queueFailed');
    expect(found!.says).toContain('poisoned by hand');
    expect(result.steps.map((it) => it.outcome)).toEqual(result.steps.map(() => 'planned'));
    expect(await admin`select from audit_log where actor like 'doctor%'`).toHaveLength(0);
  });

  it('is mended by --fix, with an entry of the audit log each, and lots are as they were', async () => {
    await admin.unsafe(`
      create function untouchable() returns trigger language plpgsql as $$
      begin
        if current_setting('application_name') like 'taximeter-doctor%' then
          raise exception 'the doctor writes %', tg_table_name;
        end if;
        return null;
      end $$;
      create trigger untouchable before insert or update or delete or truncate
        on extra_minutes_purchases for each statement execute function untouchable();
      create trigger untouchable before insert or update or delete or truncate
        on extra_minutes_usage for each statement execute function untouchable();`);
    const before = await purchased();
    expect(before.length).toBeGreaterThan(3);
    const told = await doctor(env, '--fix', '--json');
    const result = reportOf(told);
    expect(result.steps.filter((it) => it.outcome !== 'done')).toEqual([]);
    // What no program may mend stays, and is said.
    expect(codesOf(result).sort()).toEqual([...HERE, 'redisEviction']);
    expect(told.code).toBe(1);
    expect(await purchased()).toEqual(before);
    const entries = await admin<{ action: string; detail: object }[]>`
      select action, detail from audit_log where actor like 'doctor%' order by id`;
    expect(new Set(entries.map((it) => it.action))).toEqual(
      new Set([
        ...['doctor.rebuild.periods', 'doctor.rebuild.months', 'doctor.rebuild.days'],
        ...['doctor.rebuild.sessions', 'doctor.rebuild.drawn', 'doctor.recover', 'doctor.tell'],
        ...['doctor.rebuild.pieces', 'doctor.rebuild.costs', 'doctor.resume', 'doctor.retry'],
      ]),
    );
    // The first start and the test clock's speed were the others.
    const [recovery] = entries.filter((it) => it.action === 'doctor.recover');
    expect(recovery!.detail).toMatchObject({ before: { generation: 2 }, after: { generation: 3 } });
    const shards = [shardOf('acme'), shardOf('idle')];
    const raised = await admin`select shard from shards where generation > 2 order by shard`;
    expect(raised.map((it) => it.shard)).toEqual(shards.sort((a, b) => a - b));
  });

  it('needs nothing the second time', async () => {
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    const again = await look({ isFix: true });
    expect(codesOf(again)).toEqual(HERE);
    expect(again.steps).toEqual([]);
  });
});
