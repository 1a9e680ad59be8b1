import { connect } from '../drizzle/client.ts';
import { extraMinutesPackages } from '../drizzle/schema/extra-minutes.ts';
import { organizations } from '../drizzle/schema/organizations.ts';
import { plans } from '../drizzle/schema/plans.ts';

const MINUTE_MS = 60_000;

export const DEMO_PLAN = { id: 'demo', name: 'Demo', quotaMs: 60 * MINUTE_MS };
export const DEMO_ORGANIZATION = { id: 'demo', name: 'Demo organization', plan: DEMO_PLAN.id };
const DEMO_PACKAGES = [
  { id: 'extra-60', name: '1 hour', grantedMs: 60 * MINUTE_MS, priceCents: 900 },
  { id: 'extra-300', name: '5 hours', grantedMs: 300 * MINUTE_MS, priceCents: 3_900 },
  { id: 'extra-1200', name: '20 hours', grantedMs: 1_200 * MINUTE_MS, priceCents: 12_900 },
].map((it) => ({ ...it, currency: 'eur' }));

/**
 * Makes the demo plan, its organization and the packages of extra minutes where they are missing.
 * What is there stays as it is: it may have been changed since.
 */
export async function seed(adminUrl: string): Promise<void> {
  const connection = connect(adminUrl, { connections: 1, name: 'taximeter-seed' });
  try {
    await connection.db.transaction(async (tx) => {
      await tx.insert(plans).values(DEMO_PLAN).onConflictDoNothing();
      await tx.insert(organizations).values(DEMO_ORGANIZATION).onConflictDoNothing();
      await tx.insert(extraMinutesPackages).values(DEMO_PACKAGES).onConflictDoNothing();
    });
  } finally {
    await connection.stop();
  }
}
