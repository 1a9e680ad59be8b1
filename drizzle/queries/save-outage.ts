import type { Queryable } from '../client.ts';
import { outages } from '../schema/outages.ts';

export type OutageRecord = Omit<typeof outages.$inferSelect, 'writtenAt'>;

/** Once, however often it is tried: its gateway gave it its id. */
export async function saveOutage(db: Queryable, record: OutageRecord): Promise<void> {
  await db.insert(outages).values(record).onConflictDoNothing();
}
