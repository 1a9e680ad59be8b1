import { eq } from 'drizzle-orm';
import type { Meter } from '../../core/meter/commands.ts';
import type { Database } from '../client.ts';
import { levelsOf } from '../levels.ts';
import { organizations } from '../schema/organizations.ts';
import { plans } from '../schema/plans.ts';
import { sessionLengths } from '../schema/session-terms.ts';

/** Sessions told at the same time. */
const TOLD_AT_ONCE = 16;

/**
 * Tells running sessions the longest length that their plan gives them now; one that has a length of
 * its own keeps it. By the version of the organization's limits (rule 7 in core/meter/README.md), so
 * that twice is as good as once. False: the shard has to be recovered first.
 */
export async function tellSessionLengths(
  db: Database,
  meter: Pick<Meter, 'liveSessions' | 'extend'>,
  org: string,
): Promise<boolean> {
  const live = await meter.liveSessions(org);
  if (live.status !== 'ok') return false;
  if (live.sessions.length === 0) return true;
  const [row] = await db
    .select({ organization: organizations, plan: plans })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .where(eq(organizations.id, org));
  if (row === undefined) return true;
  const { plan, organization } = row;
  const own = await db
    .select({ session: sessionLengths.session })
    .from(sessionLengths)
    .where(eq(sessionLengths.org, org));
  const kept = new Set(own.map((it) => it.session));
  const waiting = live.sessions.map((it) => it.session).filter((session) => !kept.has(session));
  const told = {
    // A plan in shadow mode stops nobody.
    limitMs: plan.enforcement === 'shadow' ? null : plan.maxSessionMs,
    version: organization.limitVersion,
    levels: levelsOf(plan.thresholds),
  };
  let isWhole = true;
  async function tellNext(): Promise<void> {
    for (let session = waiting.pop(); session !== undefined; session = waiting.pop()) {
      const reply = await meter.extend({ org, session, ...told });
      if (reply.status === 'recover') isWhole = false;
    }
  }
  await Promise.all(Array.from({ length: TOLD_AT_ONCE }, tellNext));
  return isWhole;
}
