import type { Queryable } from '../client.ts';
import { shadowDecisions } from '../schema/shadow.ts';

export type ShadowDecision = Omit<typeof shadowDecisions.$inferInsert, 'id' | 'writtenAt'>;

/**
 * Once for a session, limit and period, and for a check once a member, limit and local day (`askedOn`);
 * one that names neither is a decision of its own.
 */
export async function saveShadow(db: Queryable, decision: ShadowDecision): Promise<void> {
  await db.insert(shadowDecisions).values(decision).onConflictDoNothing();
}
