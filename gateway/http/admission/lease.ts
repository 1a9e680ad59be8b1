/** The leases of sessions without a socket, in Postgres: what every gateway must know to take a total. */
import { and, eq, inArray, isNull } from 'drizzle-orm';
import type { LedgerBase } from '../../../core/meter/rows.ts';
import type { Queryable } from '../../../drizzle/client.ts';
import { sessionLeases } from '../../../drizzle/schema/session-terms.ts';

export type Lease = typeof sessionLeases.$inferSelect;

const of = (org: string, session: string) =>
  and(eq(sessionLeases.org, org), eq(sessionLeases.session, session));

export async function loadLease(
  db: Queryable,
  org: string,
  session: string,
): Promise<Lease | null> {
  const [row] = await db.select().from(sessionLeases).where(of(org, session));
  return row ?? null;
}

/** Of sessions of this id: one in each organization that uses it. `orgs` null: wherever. */
export function findLeases(
  db: Queryable,
  session: string,
  orgs: readonly string[] | null,
): Promise<Lease[]> {
  const { session: id, org } = sessionLeases;
  return db
    .select()
    .from(sessionLeases)
    .where(and(eq(id, session), orgs === null ? undefined : inArray(org, [...orgs])))
    .limit(2);
}

/** False where there is one already; another one that makes it now is waited for. */
export async function makeLease(
  db: Queryable,
  lease: typeof sessionLeases.$inferInsert,
): Promise<boolean> {
  const made = await db
    .insert(sessionLeases)
    .values(lease)
    .onConflictDoNothing()
    .returning({ session: sessionLeases.session });
  return made.length > 0;
}

/** When it truly began, as the meter answered. */
export async function beganAt(db: Queryable, lease: Lease, at: number): Promise<void> {
  await db.update(sessionLeases).set({ beganAt: at }).where(of(lease.org, lease.session));
}

export async function endLease(db: Queryable, org: string, session: string, at: number) {
  await db
    .update(sessionLeases)
    .set({ endedAt: at })
    .where(and(of(org, session), isNull(sessionLeases.endedAt)));
}

/** Of a session that neither the meter nor the ledger has any more: it began, and nothing was charged. */
export function baseOfLease({ beganAt: startedAt, period }: Lease): LedgerBase {
  const marks = [{ period, chargedMs: 0 }];
  return { startedAt, ended: false, reason: '', overshootMs: 0, marks, chargedMs: 0 };
}
