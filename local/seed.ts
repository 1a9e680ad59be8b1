import { DEVELOPMENT_KEY, hashApiKey } from '../core/runtime/api-key.ts';
import { connect } from '../drizzle/client.ts';
import { apiKeys, organizations } from '../drizzle/schema/organizations.ts';
import { plans } from '../drizzle/schema/plans.ts';

const MINUTE_MS = 60_000;

export const DEMO_PLAN = { id: 'demo', name: 'Demo', quotaMs: 60 * MINUTE_MS };
export const DEMO_ORGANIZATION = { id: 'demo', name: 'Demo organization', plan: DEMO_PLAN.id };

/**
 * Makes the demo plan and its organization where they are missing. What is there stays as it is: it
 * may have been changed since. (Packages of extra minutes come with the migrations.)
 */
export async function seed(adminUrl: string): Promise<void> {
  const connection = connect(adminUrl, {
    connections: 1,
    name: 'taximeter-seed',
    scope: 'installation',
  });
  try {
    await connection.db.transaction(async (tx) => {
      await tx.insert(plans).values(DEMO_PLAN).onConflictDoNothing();
      await tx.insert(organizations).values(DEMO_ORGANIZATION).onConflictDoNothing();
    });
  } finally {
    await connection.stop();
  }
}

/** The key of development as a row, so that it may make other keys. Production refuses to start with it. */
export async function seedDevelopmentKey(adminUrl: string): Promise<void> {
  const connection = connect(adminUrl, {
    connections: 1,
    name: 'taximeter-seed',
    scope: 'installation',
  });
  try {
    const keyHash = hashApiKey(DEVELOPMENT_KEY);
    const row = { id: DEVELOPMENT_KEY, name: 'Development', keyHash };
    await connection.db.insert(apiKeys).values(row).onConflictDoNothing();
  } finally {
    await connection.stop();
  }
}
