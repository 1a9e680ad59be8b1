import { and, eq, gte } from 'drizzle-orm';
import type { Queryable } from '../client.ts';
import { sessions } from '../schema/sessions.ts';

/** A session's beginning, as the meter counts it (rule 18 of core/meter/README.md). */
export interface Start {
  user: string;
  session: string;
  startedAt: number;
}

/** Sessions of an organization that began at or after an instant, as far as the ledger knows. */
export async function loadStarts(db: Queryable, org: string, since: number): Promise<Start[]> {
  return db
    .select({ user: sessions.user, session: sessions.id, startedAt: sessions.startedAt })
    .from(sessions)
    .where(and(eq(sessions.org, org), gte(sessions.startedAt, since)));
}
