import type { Queryable } from '../client.ts';
import { shadowDecisions } from '../schema/shadow.ts';

export type ShadowDecision = Omit<typeof shadowDecisions.$inferInsert, 'id' | 'writtenAt'>;

/** Once for a session, limit and period; one that names no session is a decision of its own. */
export async function saveShadow(db: Queryable, decision: ShadowDecision): Promise<void> {
  await db.insert(shadowDecisions).values(decision).onConflictDoNothing();
}
