/** What the ledger and the meter together know of sessions. */
import { and, asc, desc, eq, inArray, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { SessionRow } from '../../core/meter/rows.ts';
import type { Queryable } from '../../drizzle/client.ts';
import { extraMinutesUsage } from '../../drizzle/schema/extra-minutes.ts';
import { sessions, usageTracking } from '../../drizzle/schema/sessions.ts';
import { afterKey } from './cursor.ts';
import { instant, instantOrNull, MS_PER_MINUTE } from './schemas.ts';
import type { Minute, SessionSummary } from './session-schema.ts';

export type LedgerSession = typeof sessions.$inferSelect;
type BySource = SessionRow['bySource'];

/** Sessions of this id: one in each organization that uses it. `orgs` null: wherever. */
export function findSessions(
  db: Queryable,
  id: string,
  orgs: readonly string[] | null,
): Promise<LedgerSession[]> {
  return db
    .select()
    .from(sessions)
    .where(and(eq(sessions.id, id), orgs === null ? undefined : inArray(sessions.org, [...orgs])))
    .limit(2);
}

/** Newest first, after (startedAt, id) of the last one shown. */
export function listSessions(
  db: Queryable,
  org: string,
  user: string | undefined,
  after: readonly [number, string] | undefined,
  limit: number,
): Promise<LedgerSession[]> {
  return db
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.org, org),
        user === undefined ? undefined : eq(sessions.user, user),
        afterKey([sessions.startedAt, sessions.id], after),
      ),
    )
    .orderBy(desc(sessions.startedAt), desc(sessions.id))
    .limit(limit);
}

/** Settled sums by source, by session; a session of which nothing is settled is not in it. */
export async function settledBySource(
  db: Queryable,
  of: readonly LedgerSession[],
): Promise<Map<string, BySource>> {
  const [first] = of;
  if (first === undefined) return new Map();
  const sum = (column: PgColumn) => sql<number>`sum(${column})::bigint`.mapWith(Number);
  const rows = await db
    .select({
      session: usageTracking.session,
      planMs: sum(usageTracking.planMs),
      extraMs: sum(usageTracking.extraMs),
      overageMs: sum(usageTracking.overageMs),
    })
    .from(usageTracking)
    .where(
      and(
        // Names the partitions to look into.
        inArray(usageTracking.sessionMonth, [...new Set(of.map((it) => it.startMonth))]),
        eq(usageTracking.org, first.org),
        inArray(
          usageTracking.session,
          of.map((it) => it.id),
        ),
      ),
    )
    .groupBy(usageTracking.session);
  return new Map(rows.map(({ session, ...bySource }) => [session, bySource]));
}

/** Why every second was charged: the minutes of a session, each with the lots it burnt. */
export async function readMinutes(db: Queryable, of: LedgerSession): Promise<Minute[]> {
  const [rows, burnt] = await Promise.all([
    db
      .select()
      .from(usageTracking)
      .where(
        and(
          eq(usageTracking.sessionMonth, of.startMonth),
          eq(usageTracking.org, of.org),
          eq(usageTracking.session, of.id),
        ),
      )
      .orderBy(asc(usageTracking.minute), asc(usageTracking.period)),
    db
      .select()
      .from(extraMinutesUsage)
      .where(
        and(
          eq(extraMinutesUsage.sessionMonth, of.startMonth),
          eq(extraMinutesUsage.org, of.org),
          eq(extraMinutesUsage.session, of.id),
        ),
      )
      .orderBy(asc(extraMinutesUsage.purchase)),
  ]);
  const lotsByMinute = new Map<string, Minute['lots']>();
  for (const { minute, period, purchase, ms } of burnt) {
    const name = `${minute}|${period}`;
    lotsByMinute.set(name, [...(lotsByMinute.get(name) ?? []), { purchase, ms }]);
  }
  return rows.map((row) => ({
    index: row.minute,
    period: instant(row.period),
    startsAt: instant(Math.max(row.period, of.startedAt + row.minute * MS_PER_MINUTE)),
    ms: row.ms,
    planMs: row.planMs,
    extraMs: row.extraMs,
    overageMs: row.overageMs,
    lots: lotsByMinute.get(`${row.minute}|${row.period}`) ?? [],
  }));
}

export function summaryOfLive(row: SessionRow): SessionSummary {
  return {
    session: row.session,
    org: row.org,
    user: row.user,
    state: row.state,
    startedAt: instant(row.startedAt),
    endedAt: instantOrNull(row.endedAt === 0 ? null : row.endedAt),
    reason: row.reason === '' ? null : row.reason,
    recordedMs: row.totalMs,
    overshootMs: row.overshootMs,
    bySource: row.bySource,
    settled: false,
  };
}

/** `live`: what the meter still has of it, which is newer; null once the ledger has all. */
export function summaryOf(
  row: LedgerSession,
  settled: BySource | undefined,
  live: SessionRow | null,
): SessionSummary {
  const isClosed = row.state === 'closed';
  if (live !== null && !isClosed) return summaryOfLive(live);
  return {
    session: row.id,
    org: row.org,
    user: row.user,
    // Nobody is connected to it as far as anyone knows: a recovery will tell.
    state: row.state === 'live' ? 'detached' : 'ended',
    startedAt: instant(row.startedAt),
    endedAt: instantOrNull(row.endedAt),
    reason: row.reason,
    recordedMs: row.recordedMs,
    overshootMs: row.overshootMs,
    bySource: settled ?? { planMs: 0, extraMs: 0, overageMs: 0 },
    settled: isClosed,
  };
}
