/** From the figures of an organization and a member to their limits, one by one: pure. */
import type { BudgetRow } from '../../../core/meter/rows.ts';
import type { Feature, plans } from '../../../drizzle/schema/plans.ts';
import type { PlacesNow } from '../admission/places-now.ts';
import type { PiecesUsed } from '../features/piece-counts.ts';
import type { Per } from '../features/piece-limit.ts';

export interface Figures {
  plan: typeof plans.$inferSelect;
  /** of kind plan, in this period */
  adjustedMs: number;
  /** the organization's own limit beside the plan's; null: none */
  organizationMs: number | null;
  /** live, of the organization; and of the member, if one was asked for */
  row: BudgetRow;
  memberRow: BudgetRow | null;
  /** null: no member was asked for */
  member: {
    quotaMs: number | null;
    concurrentSessions: number | null;
    sessionsPerDay: number | null;
    features: Record<string, Feature>;
  } | null;
  places: PlacesNow;
  pieces: readonly PiecesUsed[];
}

export interface Limit {
  name:
    | 'recordingTime'
    | 'sessionLength'
    | 'concurrentSessions'
    | 'sessionsPerDay'
    | 'fileBytes'
    | 'feature';
  feature: string | null;
  /** of a feature: whether its pieces are counted by the local day or the billing month */
  per: Per | null;
  of: 'organization' | 'member' | 'session';
  from: 'plan' | 'organization' | 'member';
  unit: 'ms' | 'count' | 'bytes';
  /** null = unlimited */
  limit: number | null;
  /** null: nothing is counted against it, or not here */
  used: number | null;
  remaining: number | null;
  inForce: boolean;
}

type Base = Omit<Limit, 'feature' | 'per' | 'remaining' | 'inForce'>;

function limitOf(base: Base, inForce = base.limit !== null, adjustedMs = 0): Limit {
  const { limit, used } = base;
  const remaining = limit === null || used === null ? null : Math.max(0, limit + adjustedMs - used);
  return { ...base, feature: null, per: null, remaining, inForce };
}

/** Where both limit, the lower one counts; where they are the same, the plan's is named. */
function planDecides({ plan, organizationMs }: Figures): boolean {
  if (plan.quotaMs === null) return false;
  return organizationMs === null || plan.quotaMs <= organizationMs;
}

export function limitsOf(figures: Figures): Limit[] {
  const { plan, organizationMs, adjustedMs, row, memberRow, member, places, pieces } = figures;
  const time = { name: 'recordingTime', unit: 'ms' } as const;
  const byPlan = planDecides(figures);
  const ofOrganization = { ...time, of: 'organization', used: row.planMs } as const;
  const concurrent = { name: 'concurrentSessions', unit: 'count' } as const;
  const list: Limit[] = [
    limitOf({ ...ofOrganization, from: 'plan', limit: plan.quotaMs }, byPlan, adjustedMs),
    limitOf(
      { ...ofOrganization, from: 'organization', limit: organizationMs },
      organizationMs !== null && !byPlan,
      adjustedMs,
    ),
  ];
  if (member !== null && memberRow !== null) {
    const used = memberRow.usedMs;
    list.push(limitOf({ ...time, of: 'member', from: 'member', limit: member.quotaMs, used }));
  }
  list.push(
    limitOf({
      ...{ name: 'sessionLength', unit: 'ms', of: 'session', from: 'plan' },
      ...{ limit: plan.maxSessionMs, used: null },
    }),
    limitOf({
      ...concurrent,
      ...{ of: 'organization', from: 'plan' },
      ...{ limit: plan.concurrentSessions, used: places.live },
    }),
  );
  if (member !== null) {
    list.push(
      limitOf({
        ...concurrent,
        ...{ of: 'member', from: 'member' },
        ...{ limit: member.concurrentSessions, used: places.memberLive },
      }),
    );
  }
  const perDay = { name: 'sessionsPerDay', unit: 'count' } as const;
  list.push(
    limitOf({
      ...{ ...perDay, of: 'organization', from: 'plan' },
      ...{ limit: plan.sessionsPerDay, used: places.begun },
    }),
  );
  if (member !== null) {
    list.push(
      limitOf({
        ...{ ...perDay, of: 'member', from: 'member' },
        ...{ limit: member.sessionsPerDay, used: places.memberBegun },
      }),
    );
  }
  list.push(
    limitOf({
      ...{ name: 'fileBytes', unit: 'bytes', of: 'session', from: 'plan' },
      ...{ limit: plan.maxFileBytes, used: null },
    }),
    ...featureLimits({ ...lackedBy(member), ...plan.features }, 'plan', pieces),
    ...(member === null ? [] : featureLimits(member.features, 'member', pieces)),
  );
  return list;
}

/** A member's own limit opens nothing: what the plan does not name is a no, said beside it. */
function lackedBy(member: Figures['member']): Record<string, Feature> {
  const named = Object.keys(member?.features ?? {});
  return Object.fromEntries(named.map((feature) => [feature, false]));
}

/** By name; a yes or a no is counted by the month, as where a piece is consumed. */
function featureLimits(
  features: Record<string, Feature>,
  from: 'plan' | 'member',
  pieces: readonly PiecesUsed[],
): Limit[] {
  const of = from === 'plan' ? 'organization' : 'member';
  const entries = Object.entries(features).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([feature, allowed]) => {
    const per = typeof allowed === 'object' ? allowed.per : 'month';
    const isOne = (it: PiecesUsed) =>
      it.feature === feature && it.per === per && (it.user === '') === (of === 'organization');
    const used = pieces.find(isOne)?.used ?? 0;
    const base = { ...({ name: 'feature', unit: 'count', of, from } as const), used };
    return { ...limitOf({ ...base, limit: piecesOf(allowed) }), feature, per };
  });
}

function piecesOf(allowed: Feature): number | null {
  if (typeof allowed === 'object') return allowed.limit;
  return allowed ? null : 0;
}

export interface BindingLimit {
  of: Limit['of'];
  from: Limit['from'];
  remainingMs: number;
}

/**
 * What would end a recording that starts now. By the limits themselves, not by what the meter
 * enforces: in shadow mode it says what would decide.
 */
export function bindingLimit(figures: Figures): BindingLimit | null {
  const { plan, organizationMs, row, memberRow, member } = figures;
  const found: BindingLimit[] = [];
  if (row.quotaMs !== null && !(plan.atLimit === 'overage' && plan.overageCapMs === null)) {
    const overageMs = plan.atLimit === 'overage' ? (plan.overageCapMs ?? 0) : 0;
    const remainingMs =
      Math.max(0, row.quotaMs - row.planMs) +
      row.extraRemainingMs +
      Math.max(0, overageMs - (plan.atLimit === 'overage' ? row.overageMs : 0));
    const from = planDecides(figures) || organizationMs === null ? 'plan' : 'organization';
    found.push({ of: 'organization', from, remainingMs });
  }
  if (member !== null && member.quotaMs !== null && memberRow !== null) {
    const remainingMs = Math.max(0, member.quotaMs - memberRow.usedMs);
    found.push({ of: 'member', from: 'member', remainingMs });
  }
  if (plan.maxSessionMs !== null) {
    found.push({ of: 'session', from: 'plan', remainingMs: plan.maxSessionMs });
  }
  return found.reduce<BindingLimit | null>(
    (least, it) => (least === null || it.remainingMs < least.remainingMs ? it : least),
    null,
  );
}
