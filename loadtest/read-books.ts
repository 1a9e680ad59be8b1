/** Reads meter and ledger for the audit, and waits until the ledger has everything. */
import { and, inArray, sql } from 'drizzle-orm';
import { organizationBudget } from '../core/meter/budget-name.ts';
import { createMeter, type RedisMeter } from '../core/meter/meter.ts';
import { createLog } from '../core/runtime/log.ts';
import { connectMeter } from '../core/runtime/redis.ts';
import { connect, type Database } from '../drizzle/client.ts';
import { billingPeriods } from '../drizzle/schema/periods.ts';
import { sessions, usageTracking } from '../drizzle/schema/sessions.ts';
import { monthlyUsageCache } from '../drizzle/schema/usage.ts';
import type { Books, LedgerSession, MeterBudget, MeterSession } from './books.ts';
import { machineNowMs } from './machine-clock.ts';

/** Invariant 10: every finished minute is in Postgres 60 s after the stores are there. */
export const SETTLE_PATIENCE_MS = 60_000;
const POLL_MS = 250;

export interface SessionName {
  org: string;
  session: string;
}

export interface Reader {
  /** What the meter holds of it; null once the ledger has all and the meter has let it go. */
  meterSession(name: SessionName): Promise<MeterSession | null>;
  /** Waits until the ledger has closed so many sessions; the ms it took, null: it did not in time. */
  settled(orgs: readonly string[], sessionCount: number): Promise<number | null>;
  books(orgs: readonly string[], meterSessions: MeterSession[]): Promise<Books>;
  stop(): Promise<void>;
}

export async function openReader(redisUrl: string, databaseUrl: string): Promise<Reader> {
  const database = connect(databaseUrl, {
    connections: 2,
    name: 'loadtest',
    scope: 'worker',
  });
  const log = createLog({ name: 'loadtest', level: 'silent' });
  const connection = connectMeter(redisUrl, { log, name: 'loadtest' });
  await connection.ready();
  const meter = createMeter(connection);
  const { db } = database;
  return {
    meterSession: (name) => readMeterSession(meter, name),
    settled: (orgs, sessionCount) => waitUntilSettled(db, orgs, sessionCount),
    async books(orgs, meterSessions) {
      const ledgerPeriods = await readPeriods(db, orgs);
      const meterBudgets = await readBudgets(meter, ledgerPeriods);
      return {
        ...{ ledgerSessions: await readSessions(db, orgs), ledgerPeriods },
        ...{ meterSessions, meterBudgets },
      };
    },
    async stop() {
      await connection.stop();
      await database.stop();
    },
  };
}

async function readMeterSession(
  meter: RedisMeter,
  { org, session }: SessionName,
): Promise<MeterSession | null> {
  const reply = await meter.readSession(org, session);
  if (reply.status !== 'ok') return null;
  const { totalMs, chargedMs, overshootMs } = reply.session;
  return { org, session, totalMs, chargedMs, overshootMs };
}

async function waitUntilSettled(
  db: Database,
  orgs: readonly string[],
  sessionCount: number,
): Promise<number | null> {
  const startMs = machineNowMs();
  for (;;) {
    const [row] = await db
      .select({ closed: sql<number>`count(*)::int` })
      .from(sessions)
      .where(and(inArray(sessions.org, [...orgs]), sql`${sessions.state} = 'closed'`));
    const tookMs = machineNowMs() - startMs;
    if ((row?.closed ?? 0) >= sessionCount) return tookMs;
    if (tookMs > SETTLE_PATIENCE_MS) return null;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function readSessions(db: Database, orgs: readonly string[]): Promise<LedgerSession[]> {
  const rows = await db
    .select()
    .from(sessions)
    .where(inArray(sessions.org, [...orgs]));
  const minutes = await db
    .select()
    .from(usageTracking)
    .where(inArray(usageTracking.org, [...orgs]));
  const found = new Map<string, LedgerSession>();
  for (const { org, id, state, recordedMs, overshootMs, settledMs } of rows) {
    const session = { org, session: id, state, recordedMs, overshootMs, settledMs, minutes: [] };
    found.set(`${org}|${id}`, session);
  }
  for (const { org, session, minute, period, ms, planMs, extraMs, overageMs } of minutes) {
    // A foreign key holds a minute to its session.
    found
      .get(`${org}|${session}`)
      ?.minutes.push({ minute, period, ms, planMs, extraMs, overageMs });
  }
  return [...found.values()];
}

async function readPeriods(db: Database, orgs: readonly string[]) {
  const rows = await db
    .select()
    .from(billingPeriods)
    .where(inArray(billingPeriods.org, [...orgs]));
  const cached = await db
    .select({
      org: monthlyUsageCache.org,
      period: monthlyUsageCache.period,
      usedMs: sql<string>`sum(${monthlyUsageCache.usedMs})`,
    })
    .from(monthlyUsageCache)
    .where(inArray(monthlyUsageCache.org, [...orgs]))
    .groupBy(monthlyUsageCache.org, monthlyUsageCache.period);
  const cachedMs = new Map(cached.map((it) => [`${it.org}|${it.period}`, Number(it.usedMs)]));
  return rows.map(({ org, startsAt, quotaMs, usedMs, planMs, extraMs, overageMs }) => ({
    ...{ org, period: startsAt, quotaMs, usedMs, planMs, extraMs, overageMs },
    cachedMs: cachedMs.get(`${org}|${startsAt}`) ?? 0,
  }));
}

async function readBudgets(
  meter: RedisMeter,
  periods: readonly { org: string; period: number }[],
): Promise<MeterBudget[]> {
  const found: MeterBudget[] = [];
  for (const { org, period } of periods) {
    const reply = await meter.readBudgets(org, [organizationBudget(org, period)]);
    if (reply.status !== 'ok') throw new Error(`The meter of ${org} waits for a recovery.`);
    for (const { usedMs, quotaMs, burnRate } of reply.budgets) {
      found.push({ org, period, usedMs, quotaMs, burnRate });
    }
  }
  return found;
}
