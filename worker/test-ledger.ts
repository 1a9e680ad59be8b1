/**
 * A ledger and a meter for tests: a database of its own, real Redis under a namespace of its own, a
 * clock that stands still between steps. Its recorders speak as a gateway does, in totals.
 */
import { randomBytes } from 'node:crypto';
import { sql as fragment } from 'drizzle-orm';
import { inject } from 'vitest';
import { periodAt } from '../core/calendar/period.ts';
import { memberBudget, organizationBudget } from '../core/meter/budget-name.ts';
import type { BudgetRow, Epoch, SessionRow, Unsettled } from '../core/meter/commands.ts';
import { shardOf } from '../core/meter/keys.ts';
import { createMeter, type RedisMeter } from '../core/meter/meter.ts';
import { createLog } from '../core/runtime/log.ts';
import { connectMeter, type MeterConnection } from '../core/runtime/redis.ts';
import { connect, type DatabaseConnection } from '../drizzle/client.ts';
import { loadSeeds } from '../drizzle/queries/load-seeds.ts';
import { loadSessionBase } from '../drizzle/queries/load-session-base.ts';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { type RecoveryContext, recover } from './recovery/recover.ts';

export const MINUTE_MS = 60_000;
/** Within May, so that a month's end is a day and a half away. */
export const BEGIN = Date.UTC(2026, 4, 30, 12);
export const MAY = Date.UTC(2026, 4, 1);
export const JUNE = Date.UTC(2026, 5, 1);

type AccountOptions = Parameters<typeof makeTestAccount>[1];

export interface TestLedger {
  database: TestDatabase;
  connection: DatabaseConnection;
  redis: MeterConnection;
  meter: RedisMeter;
  context: RecoveryContext;
  namespace: string;
  now: number;
  setNow(at: number): Promise<void>;
  advance(ms: number): Promise<void>;
  account(options?: AccountOptions): Promise<TestOrganization>;
  stop(): Promise<void>;
}

export interface TestOrganization {
  org: string;
  plan: string;
  shard: number;
  /** starts a session of a member, alice if not said */
  open(session: string, user?: string): Promise<void>;
  beat(
    session: string,
    totalMs: number,
    state?: 'recording' | 'paused' | 'detached',
  ): Promise<void>;
  close(session: string, totalMs: number): Promise<SessionRow>;
  pending(): Promise<Unsettled[]>;
  budget(period?: number): Promise<BudgetRow>;
  session(session: string): Promise<SessionRow>;
}

export async function createTestLedger(redisUrl = inject('redisUrl')): Promise<TestLedger> {
  const log = createLog({ name: 'test', level: 'silent' });
  const database = await createTestDatabase();
  const connection = connect(database.url);
  const redis = connectMeter(redisUrl, { log });
  await redis.ready();
  const namespace = `worker-${randomBytes(6).toString('hex')}`;
  const meter = createMeter(redis, { namespace });
  const ledger: TestLedger = {
    database,
    connection,
    redis,
    meter,
    namespace,
    now: BEGIN,
    context: {
      meter,
      db: connection.db,
      sql: connection.sql,
      log,
      wallMs: () => ledger.now,
      runId: () => redis.runId(),
    },
    async setNow(at) {
      ledger.now = at;
      await connection.db.execute(fragment`
        update meter_clock set meter_base_at = from_epoch_ms(${at}),
          real_base_at = from_epoch_ms(${at}), frozen = true`);
      const clock = { meterBaseAt: at, realBaseAt: at, speed: 1, frozen: true };
      await Promise.all([...shards].map((shard) => meter.setClock(shard, clock)));
    },
    advance: (ms) => ledger.setNow(ledger.now + ms),
    async account(options) {
      const { org, plan } = await makeTestAccount(connection.db, {
        members: [{ user: 'alice' }],
        ...options,
      });
      shards.add(shardOf(org));
      await recover(ledger.context, [shardOf(org)]);
      return organization(ledger, org, plan);
    },
    async stop() {
      await connection.stop();
      await redis.stop();
      await database.drop();
    },
  };
  const shards = new Set<number>();
  await ledger.setNow(BEGIN);
  return ledger;
}

function organization(ledger: TestLedger, org: string, plan: string): TestOrganization {
  const { meter, connection } = ledger;
  const epochs = new Map<string, Epoch>();
  const shard = shardOf(org);

  async function seed(names: string[]): Promise<void> {
    const seeds = await loadSeeds(connection.db, org, names);
    const reply = await meter.seed(seeds!);
    if (reply.status !== 'ok') throw new Error(`seed: ${reply.status}`);
  }

  return {
    org,
    plan,
    shard,
    async open(session, user = 'alice') {
      const period = periodAt(ledger.now, { anchorDay: 1, timeZone: 'UTC' }).startsAt;
      const known = await loadSessionBase(connection.db, org, session);
      for (let tries = 0; tries < 3; tries++) {
        const reply = await meter.open({
          ...{ session, org, user, period, kind: 'new', base: known?.base ?? null },
          ...{ witness: null, authenticates: false, memoryMs: null, countedGapMs: 20_000 },
          ...{ concurrentSessions: null, sessionLimitMs: null, sessionLevels: [], plannedMs: null },
          gatewayWallMs: ledger.now,
        });
        if (reply.status === 'unseeded') {
          await seed(reply.budgets);
        } else if (reply.status === 'opened' || reply.status === 'resumed') {
          epochs.set(session, reply.session.epoch);
          return;
        } else {
          throw new Error(`open: ${JSON.stringify(reply)}`);
        }
      }
      throw new Error('open: seeds did not help');
    },
    async beat(session, totalMs, state = 'recording') {
      const item = { org, session, epoch: epochs.get(session)!, totalMs, ageMs: 0, state };
      const reply = await meter.beats([item], ledger.now);
      const [first] = reply.items;
      if (first?.missingPeriod != null) {
        const user = (await this.session(session)).user;
        const start = first.missingPeriod;
        await seed([organizationBudget(org, start), memberBudget(org, user, start)]);
        await meter.beats([item], ledger.now);
      } else if (first?.status !== 'ok' && first?.status !== 'stopped') {
        throw new Error(`beat: ${JSON.stringify(first)}`);
      }
    },
    async close(session, totalMs) {
      const by = { owner: epochs.get(session)!, totalMs, ageMs: 0 };
      const gatewayWallMs = ledger.now;
      const reply = await meter.close({ org, session, reason: 'stopped', by, gatewayWallMs });
      if (reply.status !== 'ended') throw new Error(`close: ${reply.status}`);
      return reply.session;
    },
    async pending() {
      const reply = await meter.pending(shard, { limit: 10_000 });
      if (reply.status !== 'ok') throw new Error('the shard has to be recovered');
      return reply.items.filter((it) => (it.kind === 'session' ? it.row.org : it.org) === org);
    },
    async budget(period = MAY) {
      const reply = await meter.readBudgets(org, [organizationBudget(org, period)]);
      if (reply.status !== 'ok') throw new Error(`budget: ${reply.status}`);
      return reply.budgets[0]!;
    },
    async session(session) {
      const reply = await meter.readSession(org, session);
      if (reply.status !== 'ok') throw new Error(`session: ${reply.status}`);
      return reply.session;
    },
  };
}
