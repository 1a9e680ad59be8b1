import { and, eq, sql } from 'drizzle-orm';
import type { Level } from '../../core/meter/rows.ts';
import type { Queryable } from '../client.ts';
import { levelsOf } from '../levels.ts';
import { organizationMembers, organizations } from '../schema/organizations.ts';
import { type Feature, plans } from '../schema/plans.ts';
import { sessionLeases, sessionLengths } from '../schema/session-terms.ts';

/** What an admission needs to know beside the budgets. */
export interface Limits {
  org: string;
  shard: number;
  timeZone: string;
  anchorDay: number;
  suspended: boolean;
  plan: string;
  isShadow: boolean;
  atLimit: 'stop' | 'overage';
  /** null: no cap */
  overageCapMs: number | null;
  /** null = unlimited, as everywhere here; the lower one of organization and member counts */
  concurrentSessions: number | null;
  maxSessionMs: number | null;
  sessionsPerDay: number | null;
  maxFileBytes: number | null;
  dailyCostCents: number | null;
  onMeterFailure: 'continue' | 'terminate';
  meterFailureMs: number;
  outageTime: 'charge' | 'forgive';
  saveWindowMs: number;
  levels: Level[];
  features: Record<string, Feature>;
  /** who may wait for a place, and how long (real ms); null: nobody */
  queue: { max: number; maxWaitMs: number } | null;
  /** null: not a member, or not yet */
  member: {
    quotaMs: number | null;
    concurrentSessions: number | null;
    sessionsPerDay: number | null;
    features: Record<string, Feature>;
  } | null;
  /** the session that was asked for holds no socket: it is metered by totals */
  isLeased: boolean;
  /** `maxSessionMs` is that session's own, and no other's */
  hasOwnLength: boolean;
}

/**
 * null: no such organization. `session`: where it has a longest length of its own, that counts.
 */
export async function loadLimits(
  db: Queryable,
  org: string,
  user: string,
  session: string | null = null,
): Promise<Limits | null> {
  const [row] = await db
    .select({
      organization: organizations,
      plan: plans,
      member: organizationMembers,
      length: sessionLengths,
      lease: { session: sessionLeases.session },
    })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .leftJoin(
      organizationMembers,
      sql`${organizationMembers.org} = ${organizations.id} and ${organizationMembers.user} = ${user}`,
    )
    .leftJoin(
      sessionLengths,
      and(eq(sessionLengths.org, organizations.id), eq(sessionLengths.session, session ?? '')),
    )
    .leftJoin(
      sessionLeases,
      and(eq(sessionLeases.org, organizations.id), eq(sessionLeases.session, session ?? '')),
    )
    .where(eq(organizations.id, org));
  if (row === undefined) return null;
  const { organization, plan, member, length, lease } = row;
  return {
    org,
    shard: organization.shard,
    timeZone: organization.timeZone,
    anchorDay: organization.anchorDay,
    suspended: organization.suspended,
    plan: plan.id,
    isShadow: plan.enforcement === 'shadow',
    atLimit: plan.atLimit,
    overageCapMs: plan.overageCapMs,
    concurrentSessions: plan.concurrentSessions,
    maxSessionMs: length === null ? plan.maxSessionMs : length.longestMs,
    sessionsPerDay: plan.sessionsPerDay,
    maxFileBytes: plan.maxFileBytes,
    dailyCostCents: plan.dailyCostCents,
    onMeterFailure: plan.onMeterFailure,
    meterFailureMs: plan.meterFailureMs,
    outageTime: plan.outageTime,
    saveWindowMs: plan.saveWindowMs,
    levels: levelsOf(plan.thresholds),
    features: plan.features,
    member:
      member === null
        ? null
        : {
            quotaMs: member.quotaMs,
            concurrentSessions: member.concurrentSessions,
            sessionsPerDay: member.sessionsPerDay,
            features: member.features,
          },
    queue: plan.queueMax === null ? null : { max: plan.queueMax, maxWaitMs: plan.queueWaitMs },
    isLeased: lease !== null,
    hasOwnLength: length !== null,
  };
}
