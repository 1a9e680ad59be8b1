/** What a plan refuses by itself: whoever is suspended, a feature that is a no, a file beyond its size. */
import type { Binding, RefusalCode } from '../../../core/protocol/messages.ts';
import type { Limits } from '../../../drizzle/queries/load-limits.ts';
import { deniedBy } from '../features/piece-limit.ts';

/** Of refusals those that a plan decides without a look at what is used. */
export type PlanReason =
  | Extract<RefusalCode, 'organizationSuspended' | 'featureNotAllowed'>
  | 'fileTooLarge';

export interface PlanRefusal {
  reason: PlanReason;
  binding: Binding;
}

export interface PlanAsk {
  feature?: string | undefined;
  bytes?: number | undefined;
}

export function refusedByPlan(limits: Limits, ask: PlanAsk): PlanRefusal | null {
  if (limits.suspended) return { reason: 'organizationSuspended', binding: 'organization' };
  if (ask.feature !== undefined && deniedBy(limits, ask.feature) !== null) {
    return { reason: 'featureNotAllowed', binding: 'feature' };
  }
  const { maxFileBytes } = limits;
  if (ask.bytes !== undefined && maxFileBytes !== null && ask.bytes > maxFileBytes) {
    return { reason: 'fileTooLarge', binding: 'plan' };
  }
  return null;
}
