/** What a production start refuses, each on a real process: the code, and the sentence that helps. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { migrate } from '../drizzle/migrate.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';
import { roleUrl, WORKER_ROLE } from './postgres-roles.ts';
import { startMain } from './test-main.ts';
import { startTestRedis, type TestRedis } from './test-redis.ts';

// Each starts processes, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 120_000 });

const secret = () => randomBytes(24).toString('hex');
const DEVELOPMENT_SECRET = 'taximeter-development-secret-not-for-production';

let server: RunningPostgres;
let redis: TestRedis;
let admin: postgres.Sql;
let asks: Redis;
let superuserUrl: string;
const gatewayEnv = () => ({
  REDIS_URL: redis.url,
  DATABASE_URL: server.url,
  TICKET_SECRETS: secret(),
  CHECKPOINT_SECRETS: secret(),
});
const workerEnv = () => ({ REDIS_URL: redis.url, DATABASE_URL: server.workerUrl });

beforeAll(async () => {
  const dataDir = join(inject('runFolder'), `refusals-${randomBytes(4).toString('hex')}`);
  [server, redis] = await Promise.all([startPostgres({ dataDir }), startTestRedis()]);
  await migrate(server.adminUrl, { workerRole: WORKER_ROLE });
  admin = postgres(server.adminUrl, { max: 1, onnotice: () => {} });
  asks = new Redis(redis.url);
  const password = readFileSync(join(dataDir, 'password'), 'utf8').trim();
  superuserUrl = roleUrl(Number(new URL(server.url).port), 'postgres', password);
});
afterAll(async () => {
  await asks.quit();
  await admin.end();
  await Promise.all([server.stop(), redis.stop()]);
});

/** Starts it, and answers what it said to the person before it ended. */
async function refusal(main: 'gateway' | 'worker', env: Record<string, string>): Promise<string> {
  const started = startMain(main, env);
  expect(await started.ended, started.said().out).toBe(1);
  const { err } = started.said();
  expect(err.trim().split('\n'), err).toHaveLength(1);
  return err;
}

/** It serves, and is stopped again; answers its log. */
async function serves(main: 'gateway' | 'worker', env: Record<string, string>): Promise<string> {
  const started = startMain(main, env);
  const word = main === 'gateway' ? 'the gateway serves' : 'the worker works';
  await vi.waitFor(() => expect(started.said().out + started.said().err).toContain(word), {
    timeout: 60_000,
    interval: 50,
  });
  started.process.kill('SIGTERM');
  expect(await started.ended).toBe(0);
  return started.said().out;
}

describe('a production start', () => {
  it('serves where all is as it should be, without a warning', async () => {
    const logs = await Promise.all([
      serves('gateway', gatewayEnv()),
      serves('worker', workerEnv()),
    ]);
    for (const log of logs) expect(log).not.toMatch(/\b(Set|Use|Name) /);
  });

  it.concurrent.each<[string, () => Record<string, string>, RegExp]>([
    ['no secrets', () => ({ TICKET_SECRETS: '' }), /TICKET_SECRETS is not set: give one or more/],
    [
      'a short one',
      () => ({ CHECKPOINT_SECRETS: 'short' }),
      /CHECKPOINT_SECRETS: .* 32 characters/,
    ],
    [
      'the one of development',
      () => ({ TICKET_SECRETS: DEVELOPMENT_SECRET }),
      /TICKET_SECRETS is the one for development.* Set your own/,
    ],
    [
      'one for two purposes',
      () => {
        const both = secret();
        return { TICKET_SECRETS: both, CHECKPOINT_SECRETS: `${secret()},${both}` };
      },
      /CHECKPOINT_SECRETS and TICKET_SECRETS have a secret in common/,
    ],
    [
      'a password that everybody can read',
      () => ({ DATABASE_URL: 'postgres://taximeter:taximeter@127.0.0.1:1/taximeter' }),
      /the one of docker-compose.yml.* Set TAXIMETER_PASSWORD/,
    ],
  ])('refuses %s', async (_what, env, words) => {
    expect(await refusal('gateway', { ...gatewayEnv(), ...env() })).toMatch(words);
  });

  it('refuses a window to resume that ends who is silent for a moment, of gateways and workers', async () => {
    const env = { RESUME_WINDOW_MS: '6000', DEVELOPMENT: '1' };
    const words = /RESUME_WINDOW_MS is 6000, .* Set RESUME_WINDOW_MS=20000 or more/;
    const [ofGateway, ofWorker] = await Promise.all([
      refusal('gateway', { ...gatewayEnv(), ...env }),
      refusal('worker', { ...workerEnv(), ...env }),
    ]);
    expect(ofGateway).toMatch(words);
    expect(ofWorker).toMatch(words);
  });

  it('refuses dev-key as a key of the installation', async () => {
    const hash = createHash('sha256').update('dev-key').digest('hex');
    await admin.begin(async (tx) => {
      await tx`select set_config('taximeter.scope', 'installation', true)`;
      await tx`insert into api_keys (id, name, key_hash) values ('old', 'Old', ${hash})`;
    });
    expect(await refusal('gateway', gatewayEnv())).toMatch(/"old" is "dev-key".* Revoke it/);
    await admin.begin(async (tx) => {
      await tx`select set_config('taximeter.scope', 'installation', true)`;
      await tx`update api_keys set revoked_at = now() where id = 'old'`;
    });
  });
});

describe('a Redis', () => {
  const wrong: [string, string, string, RegExp][] = [
    ['maxmemory-policy', 'allkeys-lru', 'noeviction', /Set "maxmemory-policy noeviction"/],
    ['appendfsync', 'no', 'everysec', /appendfsync is no\)\. Set "appendfsync everysec"/],
    ['appendonly', 'no', 'yes', /Set "appendonly yes" and "appendfsync everysec"/],
  ];
  it.each(wrong)('with %s %s is refused', async (name, value, right, words) => {
    onTestFinished(async () => void (await asks.config('SET', name, right)));
    await asks.config('SET', name, value);
    expect(await refusal('worker', workerEnv())).toMatch(words);
  });

  it('is accepted in development as it is, with warnings', async () => {
    onTestFinished(async () => void (await asks.config('SET', 'maxmemory-policy', 'noeviction')));
    await asks.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const log = await serves('gateway', { ...gatewayEnv(), DEVELOPMENT: '1' });
    const warnings = log.split('\n').filter((line) => line.includes('"level":"warn"'));
    expect(warnings.map((line) => JSON.parse(line).msg)).toContainEqual(
      expect.stringMatching(/Set "maxmemory-policy noeviction"/),
    );
    expect(await refusal('gateway', gatewayEnv())).toMatch(/Set "maxmemory-policy noeviction"/);
  });

  it('that is a replica is refused, in development too', async () => {
    const replica = await startTestRedis();
    const its = new Redis(replica.url);
    await its.call('REPLICAOF', '127.0.0.1', String(redis.port));
    const env = { ...workerEnv(), REDIS_URL: replica.url, DEVELOPMENT: '1' };
    expect(await refusal('worker', env)).toMatch(/a replica.* Name its primary in REDIS_URL/);
    await its.quit();
    await replica.stop();
  });

  it('that is one of a cluster is refused, unless the address says so', async () => {
    const [first] = inject('clusterUrl').split(',');
    const env = { ...workerEnv(), REDIS_URL: first! };
    expect(await refusal('worker', env)).toMatch(/one of a cluster.* with commas between them/);
  });
});

describe('a Postgres', () => {
  it('that may lose what it committed is refused, and accepted in development', async () => {
    const careless = inject('postgresAdminUrl');
    await migrate(careless, { workerRole: WORKER_ROLE });
    const env = { ...workerEnv(), DATABASE_URL: inject('postgresUrl') };
    expect(await refusal('worker', env)).toMatch(/fsync is off\)\. Set "fsync = on"/);
    expect(await serves('worker', { ...env, DEVELOPMENT: '1' })).toContain('fsync is off');
  });

  it('that answers before it has written is refused', async () => {
    const [row] = await admin<{ name: string }[]>`select current_database() as name`;
    await admin.unsafe(`alter database ${row!.name} set synchronous_commit = off`);
    expect(await refusal('gateway', gatewayEnv())).toMatch(/Set "synchronous_commit = on"/);
    await admin.unsafe(`alter database ${row!.name} reset synchronous_commit`);
  });

  it('in which one may do anything is refused, in development too', async () => {
    const env = { ...gatewayEnv(), DATABASE_URL: superuserUrl, DEVELOPMENT: '1' };
    expect(await refusal('gateway', env)).toMatch(/logs in as "postgres".* Use the login role/);
  });

  it('that is not at this version is refused, with the command that brings it there', async () => {
    const last = '0009-session-metadata.sql';
    const [row] = await admin`delete from migrations where name = ${last} returning *`;
    const env = { ...workerEnv(), DEVELOPMENT: '1' };
    expect(await refusal('worker', env)).toMatch(
      /1 of its steps.*Run "node dist\/local\/migrate.js"/,
    );
    await admin`insert into migrations ${admin(row!)}`;
    // One that nobody has migrated yet.
    await admin.unsafe('create database empty_one');
    const address = new URL(server.workerUrl);
    address.pathname = '/empty_one';
    expect(await refusal('worker', { ...env, DATABASE_URL: address.href })).toMatch(/from 0001-/);
  });

  it('to which a worker comes as a gateway is refused', async () => {
    const env = { ...workerEnv(), DATABASE_URL: server.url };
    expect(await refusal('worker', env)).toMatch(/may not settle\. Use the role of the workers/);
  });

  it('to which a gateway comes as a worker is refused', async () => {
    const env = { ...gatewayEnv(), DATABASE_URL: server.workerUrl, DEVELOPMENT: '1' };
    expect(await refusal('gateway', env)).toMatch(
      /the role of the workers.* Use the role of the g/,
    );
  });

  it('that does not let one in, or is not there, is named without its password', async () => {
    const address = new URL(server.url);
    address.password = 'wrong-and-secret';
    const lockedOut = await refusal('gateway', { ...gatewayEnv(), DATABASE_URL: address.href });
    expect(lockedOut).toMatch(/password authentication failed.*DATABASE_URL/);
    address.port = '1';
    const away = await refusal('gateway', { ...gatewayEnv(), DATABASE_URL: address.href });
    expect(away).toMatch(/does not answer \(ECONNREFUSED\)/);
    expect(lockedOut + away).not.toContain('wrong-and-secret');
  });
});
