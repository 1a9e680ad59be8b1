/** What the doctor makes of stores, queues and shards: each judgement red on a state that breaks it. */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLog } from '../../core/runtime/log.ts';
import { connect, type DatabaseConnection } from '../../drizzle/client.ts';
import { makeTestAccount } from '../../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../../local/test-database.ts';
import { CODES } from '../../worker/ledger/check/codes.ts';
import { finding } from '../../worker/ledger/check/finding.ts';
import { createExaminer, isWell } from './examination.ts';
import { planFix } from './fix/plan.ts';
import type { FixContext } from './fix/step.ts';
import { judgePassing, judgeShards, lookAtPassing, lookAtShards } from './passing-look.ts';
import {
  judgeMigrations,
  judgePostgres,
  lookAtMigrations,
  lookAtPartitions,
  lookAtPostgres,
} from './postgres-look.ts';
import { judgeQueue } from './queue-look.ts';
import { judgeClocks, judgeRedis, lookAtClocks, lookAtRedis } from './redis-look.ts';
import { openStores, type Stores } from './stores.ts';

const codes = (found: { code: string }[]) => found.map((it) => it.code);

describe('Redis', () => {
  let info: string;
  beforeAll(async () => {
    const redis = new Redis(inject('redisUrl'));
    info = await redis.info();
    await redis.quit();
  });
  const changed = (name: string, value: string) =>
    info.replace(new RegExp(`^${name}:.*$`, 'm'), `${name}:${value}`);

  it('is well as it is here', () => expect(judgeRedis('here', info)).toEqual([]));
  it.each([
    ['maxmemory_policy', 'allkeys-lru', 'redisEviction'],
    ['aof_enabled', '0', 'redisPersistence'],
    ['aof_last_write_status', 'err', 'redisPersistence'],
    ['maxmemory', '1000', 'redisMemory'],
    ['connected_clients', '9999', 'redisClients'],
    ['role', 'slave', 'redisReplication'],
    [
      'connected_slaves',
      '1\r\nslave0:ip=a,port=1,state=online,offset=1,lag=60',
      'redisReplication',
    ],
  ])('with %s %s it is %s', (name, value, code) => {
    expect(codes(judgeRedis('here', changed(name, value)))).toEqual([code]);
  });
  it('clocks may differ by 2 s and what the call took, not by more', () => {
    const clock = (aheadMs: number) => [{ name: 'Redis', aheadMs, errorMs: 5 }];
    expect(judgeClocks(clock(-2_004))).toEqual([]);
    expect(codes(judgeClocks(clock(2_100)))).toEqual(['clockDifference']);
  });
});

describe('Postgres', () => {
  let database: TestDatabase;
  let owner: DatabaseConnection;
  let stores: Stores;
  let context: FixContext;
  const log = createLog({ name: 'test', level: 'silent' });
  beforeAll(async () => {
    database = await createTestDatabase();
    owner = connect(database.adminUrl, { scope: 'installation' });
    const addresses = { redisUrl: inject('redisUrl'), databaseUrl: database.url, whose: 'test' };
    stores = openStores(addresses, log, 'doctor-looks');
    context = { stores, log, actor: 'doctor:test', now: Date.now() };
  });
  afterAll(async () => {
    await stores.stop();
    await owner.stop();
    await database.drop();
  });

  it('is found to lack a guard, and to let a service delete', async () => {
    const here = ['postgresDurability'];
    expect(codes((await lookAtPostgres(stores)).findings)).toEqual(here);
    await owner.sql.unsafe('alter table extra_minutes_purchases disable trigger only_burn');
    await owner.sql.unsafe('grant delete on audit_log to taximeter');
    const { findings } = await lookAtPostgres(stores);
    expect(codes(findings)).toEqual(['postgresGuards', 'postgresGuards', ...here]);
    expect(findings[0]!.says).toContain('only_burn');
    expect(findings[1]!.says).toContain('audit_log');
    await owner.sql.unsafe('alter table extra_minutes_purchases enable trigger only_burn');
    await owner.sql.unsafe('revoke delete on audit_log from taximeter');
  });

  it('is judged by its role, its connections, what waits and its copies', () => {
    const state = {
      ...{ version: '18', role: 'postgres', isAbove: true, settings: {}, deletable: [] },
      ...{ connections: 95, maxConnections: 100, oldestTransactionS: 100, lagS: [0, 60] },
      guards: ['extra_minutes_purchases.only_burn', 'extra_minutes_usage.only_raise'],
    };
    expect(codes(judgePostgres(state))).toEqual([
      ...['postgresRole', 'postgresGuards', 'postgresConnections', 'postgresWaiting'],
      'postgresReplication',
    ]);
  });

  it('is of this version, or it is said which migration is too much or too little', async () => {
    expect((await lookAtMigrations(stores)).findings).toEqual([]);
    const found = judgeMigrations(['1.sql', '3.sql'], ['1.sql', '2.sql']);
    expect(found.map((it) => it.subject)).toEqual(['2.sql', '3.sql']);
  });

  const drop = (partition: string) =>
    owner.sql.unsafe(
      `alter table usage_tracking detach partition ${partition}; drop table ${partition}`,
    );

  it('has its partitions made by --fix, unless minutes lie where they would have to move', async () => {
    const now = Date.now();
    expect((await lookAtPartitions(stores, now)).findings).toEqual([]);
    const [last] = await owner.sql<{ name: string }[]>`
      select to_char(now() + interval '2 months', '"usage_tracking_"YYYY_MM') as name`;
    await drop(last!.name);
    const { findings } = await lookAtPartitions(stores, now);
    expect(codes(findings)).toEqual(['partitionMissing']);
    const [step] = planFix(context, findings);
    expect(await step!.run()).toContain('partitions were made');
    expect(await step!.run()).toBeNull();
    expect((await lookAtPartitions(stores, now)).findings).toEqual([]);
    const [entry] = await owner.sql`select * from audit_log where action = 'doctor.partitions'`;
    expect(entry).toMatchObject({ actor: 'doctor:test' });

    await drop(last!.name);
    const { org } = await makeTestAccount(owner.db);
    await owner.sql.unsafe(`
      insert into billing_periods (org, starts_at, ends_at, mode, version)
        values ('${org}', '2020-01-01', '2020-02-01', 0, 1);
      insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period,
        generation) values ('${org}', 's', 'u', '2020-01-01', '2020-01-01', '2020-01-01',
        '2020-01-01', 1);
      insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms,
        plan_ms, extra_ms, overage_ms, billable_ms, debt_ms) values ('2020-01-01', '${org}', 's', 0,
        '2020-01-01', 'u', '2020-01-01', 1, 1, 0, 0, 0, 0)`);
    const both = await lookAtPartitions(stores, now);
    expect(codes(both.findings)).toEqual(['partitionMissing', 'partitionDefault']);
    await expect(planFix(context, both.findings)[0]!.run()).rejects.toThrow('default partition');
  });

  it('has a missing period made by --fix, once', async () => {
    const { org } = await makeTestAccount(owner.db);
    const at = Date.UTC(2026, 5, 1);
    const missing = finding('periodMissing', { org, says: '', figures: { at } });
    const [step] = planFix(context, [missing]);
    expect(await step!.run()).toContain('2026-06-01');
    const [row] = await owner.sql`select count(*) from billing_periods where org = ${org}`;
    expect(row).toMatchObject({ count: 1 });
    const [entry] = await owner.sql`select * from audit_log where action = 'doctor.period'`;
    expect(entry).toMatchObject({ org, detail: { before: null } });
  });

  it('is found to hold words, decreases, recoveries and requests that wait for nobody', async () => {
    expect((await lookAtPassing(stores)).findings).toEqual([]);
    const { org } = await makeTestAccount(owner.db);
    await owner.sql.unsafe(
      `
      insert into meter_outbox (org, created_at) values ('${org}', now() - interval '1 minute');
      insert into recoveries (shard, requested_by, requested_at)
        values (7, 'gateway-1', now() - interval '1 minute');
      insert into adjustments (id, org, kind, ms, reason, actor, created_at)
        values ('a1', 'org-without-word', 'extra', -5, 'test', 'test', now())
      `.replace("'org-without-word'", `'${(await makeTestAccount(owner.db)).org}'`),
    );
    await owner.sql.unsafe(`select set_config('taximeter.caller', 'o', true);
      insert into idempotency_keys (owner, key, request_hash, created_at) values ('o', 'k', 'h', now() - interval '1 hour')`);
    const { findings } = await lookAtPassing(stores);
    expect(codes(findings)).toEqual([
      ...['recoveryOpen', 'outboxBacklog', 'decreaseWaiting', 'requestHeld'],
    ]);
    expect(findings[0]!.says).toContain('gateway-1 asked 60 s ago for a recovery of shard 7');
    expect(
      judgePassing({ recoveries: [], words: [], decreases: [], requests: 0, outbox: 9 }),
    ).toEqual([]);
  });
});

it('every server of a cluster is looked at, and every shard is asked for where it is', async () => {
  const database = await createTestDatabase();
  const addresses = { redisUrl: inject('clusterUrl'), databaseUrl: database.url, whose: 'test' };
  const stores = openStores(addresses, createLog({ name: 'test', level: 'silent' }), 'doctor-none');
  try {
    expect((await lookAtRedis(stores)).looked).toMatch(/^3 servers/);
    expect((await lookAtClocks(stores)).findings).toEqual([]);
    const { findings } = await lookAtShards(stores);
    expect(codes(findings)).toEqual(Array(64).fill('shardUnrecovered'));
  } finally {
    await stores.stop();
    await database.drop();
  }
});

it('a shard needs a head of this life, of the generation of Postgres, and a whole recovery', () => {
  const known = [
    { generation: 3, isRecovered: true },
    { generation: 3, isRecovered: true },
    { generation: 4, isRecovered: false },
    { generation: 4, isRecovered: false },
  ];
  const heads = [3, null, 3, 4].map((generation, shard) => ({ shard, generation }));
  const found = judgeShards(heads, known);
  expect(found.map((it) => it.subject)).toEqual(['shard 1', 'shard 2', 'shard 3']);
  expect(found[1]!.says).toContain('generation 3 in Redis, and of 4 in Postgres');
});

it('a queue is to be worked off, by somebody, without failures', () => {
  const well = {
    ...{ name: 'settle', isPaused: false, workers: 1, counts: { waiting: 5, failed: 0 } },
    ...{ oldestWaitingMs: 10, oldestActiveMs: 10, reasons: [] },
  };
  expect(judgeQueue(well)).toEqual([]);
  const ill = {
    ...{ name: 'settle', isPaused: true, workers: 0, counts: { waiting: 5, failed: 2 } },
    ...{ oldestWaitingMs: 61_000, oldestActiveMs: 121_000, reasons: ['why'] },
  };
  expect(codes(judgeQueue(ill))).toEqual([
    ...['queuePaused', 'noWorker', 'queueFailed', 'queueWaiting', 'queueStalled'],
  ]);
});

it('what fails is unknown, the rest is looked at all the same, and unknown is not well', async () => {
  const { look, examination } = createExaminer(() => {});
  await look('first', () => Promise.reject(new Error('down', { cause: new Error('no route') })));
  await look('second', async () => ({ looked: '3 things', findings: [] }));
  expect(examination.looks.map((it) => it.outcome)).toEqual(['unknown', 'well']);
  expect(examination.looks[0]!.says).toContain('down (no route)');
  expect(isWell(examination)).toBe(false);
});

it('every code that says --fix repairs it has a step, and no other', () => {
  const context = { actor: 'test', now: 0 } as FixContext;
  for (const [code, { isFixable }] of Object.entries(CODES)) {
    const it = finding(code as keyof typeof CODES, { org: 'acme', subject: 'settle', says: '' });
    const shard = { ...it, ...(code.startsWith('unsettledF') ? { org: undefined } : {}) };
    const found =
      code.endsWith('Unrecovered') || code === 'recoveryOpen' || shard.org === undefined;
    const { org: _, ...ofShard } = it;
    const given = found ? { ...ofShard, subject: 'shard 3' } : { ...it, figures: { at: 0 } };
    expect([code, planFix(context, [given]).length]).toEqual([code, isFixable ? 1 : 0]);
  }
});

it('docs/doctor.md lists every code with its severity, and no other', () => {
  const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `(\w+)` \| (wrong|warning|note) \|.*\| (.*) \|$/gm)];
  expect(
    listed.map(([, code, severity, fix]) => [code, severity, !/^(–|never)$/.test(fix!)]),
  ).toEqual(Object.entries(CODES).map(([code, it]) => [code, it.severity, it.isFixable]));
});
