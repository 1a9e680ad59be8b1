/**
 * A ledger and a meter for tests: a database of its own, real Redis under a namespace of its own, a
 * clock that stands still between steps. Its recorders speak as a gateway does, in totals.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { sql as fragment } from 'drizzle-orm';
import { inject } from 'vitest';
import { periodAt } from '../core/calendar/period.ts';
import { memberBudget, organizationBudget } from '../core/meter/budget-name.ts';
import type { BeatItem, Unsettled } from '../core/meter/commands.ts';
import { shardOf } from '../core/meter/keys.ts';
import { createMeter, type RedisMeter } from '../core/meter/meter.ts';
import type { BudgetRow, SessionRow } from '../core/meter/rows.ts';
import { createLog } from '../core/runtime/log.ts';
import { connectServer, type MeterServer } from '../core/runtime/meter-server.ts';
import { connect, type DatabaseConnection } from '../drizzle/client.ts';
import { applyGrant } from '../drizzle/queries/apply-limits.ts';
import { ensurePeriod } from '../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../drizzle/queries/load-seeds.ts';
import { loadSessionBase } from '../drizzle/queries/load-session-base.ts';
import { extraMinutesPurchases } from '../drizzle/schema/extra-minutes.ts';
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
  redis: MeterServer;
  meter: RedisMeter;
  context: RecoveryContext;
  namespace: string;
  now: number;
  setNow(at: number): Promise<void>;
  advance(ms: number): Promise<void>;
  /** the shard is gone, as after FLUSHALL */
  lose(shard: number): Promise<void>;
  /** Redis comes back, in another life, with what the shard was when this was called */
  keep(shard: number): Promise<() => Promise<void>>;
  account(options?: AccountOptions): Promise<TestOrganization>;
  stop(): Promise<void>;
}

export interface TestOrganization {
  org: string;
  plan: string;
  shard: number;
  /** starts a session of a member, alice if not said */
  open(session: string, user?: string): Promise<void>;
  /** what a gateway does after a recovery, of all its sessions that it remembers */
  assert(): Promise<void>;
  beat(
    session: string,
    totalMs: number,
    state?: 'recording' | 'paused' | 'detached',
  ): Promise<void>;
  /** lets so much time pass, in beats of at most a minute */
  record(session: string, ms: number): Promise<void>;
  close(session: string, totalMs: number): Promise<SessionRow>;
  pending(): Promise<Unsettled[]>;
  budget(period?: number): Promise<BudgetRow>;
  /** undefined where nobody has asked for it since a recovery */
  budgetIfThere(period: number): Promise<BudgetRow | undefined>;
  /** a lot of extra minutes, told to the meter if it knows the organization */
  give(ms: number): Promise<void>;
  session(session: string): Promise<SessionRow>;
}

/** `namespace`: on a Redis of one's own, where a real worker is to see it. */
export async function createTestLedger(
  redisUrl = inject('redisUrl'),
  namespace = `worker-${randomBytes(6).toString('hex')}`,
): Promise<TestLedger> {
  const log = createLog({ name: 'test', level: 'silent' });
  const database = await createTestDatabase();
  const connection = connect(database.url);
  const redis = connectServer(redisUrl, { log });
  await redis.ready();
  let life = redis.runId()!;
  const meter = createMeter({ redis: redis.redis, runId: () => life }, { namespace });
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
      runId: () => life,
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
    async lose(shard) {
      const keys = await redis.redis.keys(`${namespace}:{${shard}}:*`);
      if (keys.length > 0) await redis.redis.del(...keys);
    },
    async keep(shard) {
      const keys = await redis.redis.keys(`${namespace}:{${shard}}:*`);
      const kept = await Promise.all(keys.map((key) => redis.redis.dumpBuffer(key)));
      return async () => {
        await ledger.lose(shard);
        life = randomBytes(20).toString('hex');
        await Promise.all(keys.map((key, i) => redis.redis.restore(key, 0, kept[i]!)));
      };
    },
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
  /** as a gateway remembers its sessions: the meter's last answer */
  const memory = new Map<
    string,
    { row: SessionRow; state: BeatItem['state']; isClosed?: boolean }
  >();
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
          memory.set(session, { row: reply.session, state: 'recording' });
          return;
        } else {
          throw new Error(`open: ${JSON.stringify(reply)}`);
        }
      }
      throw new Error('open: seeds did not help');
    },
    async beat(session, totalMs, state = 'recording') {
      const epoch = memory.get(session)!.row.epoch;
      const item: BeatItem = { org, session, epoch, totalMs, ageMs: 0, state };
      for (let tries = 0; tries < 4; tries++) {
        const reply = (await meter.beats([item], ledger.now)).items[0]!;
        if (reply.status !== 'ok' && reply.status !== 'stopped') {
          throw new Error(`beat: ${JSON.stringify(reply)}`);
        }
        if (reply.missingPeriod === null) break;
        const { user } = await this.session(session);
        const start = reply.missingPeriod;
        await seed([organizationBudget(org, start), memberBudget(org, user, start)]);
      }
      memory.set(session, { row: await this.session(session), state });
    },
    async record(session, ms) {
      const from = (await this.session(session)).totalMs;
      for (let done = 0; done < ms; ) {
        const step = Math.min(MINUTE_MS, ms - done);
        await ledger.advance(step);
        done += step;
        await this.beat(session, from + done);
      }
    },
    async assert() {
      for (const [session, { row, state, isClosed }] of memory) {
        const { totalMs, overshootMs, marks, epoch, user } = row;
        const base = (await loadSessionBase(connection.db, org, session))?.base ?? null;
        const command = {
          ...{ org, session, user, sessionLimitMs: null, sessionLevels: [] },
          ...{ gatewayWallMs: ledger.now },
          base: base ?? {
            ...{ startedAt: row.startedAt, ended: false, reason: '', overshootMs: 0, chargedMs: 0 },
            marks: [{ period: marks[0]!.period, chargedMs: 0 }],
          },
          witness: { epoch, totalMs, overshootMs, at: row.chargedUpTo, state, marks },
        };
        let reply = await meter.assert(command);
        for (let tries = 0; reply.status === 'unseeded' && tries < 4; tries++) {
          await seed(reply.budgets);
          reply = await meter.assert(command);
        }
        if (reply.status !== 'ok' && reply.status !== 'ended') {
          throw new Error(`assert: ${reply.status}`);
        }
        if (isClosed && reply.status === 'ok') await this.close(session, totalMs);
      }
    },
    async close(session, totalMs) {
      const by = { owner: memory.get(session)!.row.epoch, totalMs, ageMs: 0 };
      const gatewayWallMs = ledger.now;
      const reply = await meter.close({ org, session, reason: 'stopped', by, gatewayWallMs });
      if (reply.status !== 'ended') throw new Error(`close: ${reply.status}`);
      // Kept until the ledger has it all (rule 16); here: for good.
      memory.set(session, { row: reply.session, state: 'detached', isClosed: true });
      return reply.session;
    },
    async pending() {
      const reply = await meter.pending(shard, { limit: 10_000 });
      if (reply.status !== 'ok') throw new Error('the shard has to be recovered');
      return reply.items.filter((it) => (it.kind === 'session' ? it.row.org : it.org) === org);
    },
    async budget(period = MAY) {
      const row = await this.budgetIfThere(period);
      if (row === undefined) throw new Error(`The meter has no period from ${period}.`);
      return row;
    },
    async budgetIfThere(period) {
      const reply = await meter.readBudgets(org, [organizationBudget(org, period)]);
      if (reply.status !== 'ok') throw new Error(`budget: ${reply.status}`);
      return reply.budgets[0];
    },
    async give(ms) {
      await connection.db.transaction(async (tx) => {
        await tx.insert(extraMinutesPurchases).values({
          ...{ id: randomUUID(), org, grantedMs: ms, purchasedAt: ledger.now, source: 'import' },
        });
        await applyGrant(tx, org);
      });
      const period = await ensurePeriod(connection.db, org, ledger.now);
      await seed([organizationBudget(org, period!.startsAt)]);
    },
    async session(session) {
      const reply = await meter.readSession(org, session);
      if (reply.status !== 'ok') throw new Error(`session: ${reply.status}`);
      return reply.session;
    },
  };
}
