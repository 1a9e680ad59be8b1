import { eq, sql } from 'drizzle-orm';
import type { Level } from '../../core/meter/rows.ts';
import type { Queryable } from '../client.ts';
import { levelsOf } from '../levels.ts';
import { organizationMembers, organizations } from '../schema/organizations.ts';
import { type Feature, plans } from '../schema/plans.ts';

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
  /** null: not a member, or not yet */
  member: {
    quotaMs: number | null;
    concurrentSessions: number | null;
    features: Record<string, Feature>;
  } | null;
}

/** null: no such organization. */
export async function loadLimits(db: Queryable, org: string, user: string): Promise<Limits | null> {
  const [row] = await db
    .select({ organization: organizations, plan: plans, member: organizationMembers })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .leftJoin(
      organizationMembers,
      sql`${organizationMembers.org} = ${organizations.id} and ${organizationMembers.user} = ${user}`,
    )
    .where(eq(organizations.id, org));
  if (row === undefined) return null;
  const { organization, plan, member } = row;
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
    maxSessionMs: plan.maxSessionMs,
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
            features: member.features,
          },
  };
}
