import { randomBytes } from 'node:crypto';
import type { Database } from '../drizzle/client.ts';
import { organizationMembers, organizations } from '../drizzle/schema/organizations.ts';
import { plans } from '../drizzle/schema/plans.ts';

export interface TestAccount {
  plan: string;
  org: string;
}

/** A plan and an organization of its own, with ids nobody else has. Limits as given, else none. */
export async function makeTestAccount(
  db: Database,
  given: {
    plan?: Partial<typeof plans.$inferInsert>;
    org?: Partial<typeof organizations.$inferInsert>;
    members?: Partial<typeof organizationMembers.$inferInsert>[];
  } = {},
): Promise<TestAccount> {
  const suffix = randomBytes(4).toString('hex');
  const plan = given.plan?.id ?? `plan-${suffix}`;
  const org = given.org?.id ?? `org-${suffix}`;
  await db.insert(plans).values({ name: plan, ...given.plan, id: plan });
  await db.insert(organizations).values({ name: org, ...given.org, id: org, plan });
  for (const member of given.members ?? []) {
    await db.insert(organizationMembers).values({ user: 'alice', ...member, org });
  }
  return { plan, org };
}
