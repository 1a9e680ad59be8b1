/** What a plan would have refused before anything is counted: a feature, a piece of it, a file's size. */
import { localDay } from '../../core/calendar/local-day.ts';
import type { Limits } from '../../drizzle/queries/load-limits.ts';
import type { ShadowDecision } from '../../drizzle/queries/save-shadow.ts';

/** Who asked, when and for what. */
export interface PlanAsked {
  org: string;
  user: string;
  /** null: by a check, of which there may be any number: it counts once a local day */
  session: string | null;
  /** meter instant */
  at: number;
  /** start of the billing period */
  period: number;
  timeZone: string;
}

/** `used` and `allowed` of the limit that decides; a feature that is a no allows none. */
export interface Figures {
  used: number;
  allowed: number;
  wanted: number;
}

type FeatureReason = 'featureNotAllowed' | 'limitReached';

export function featureDecision(
  asked: PlanAsked,
  feature: string,
  reason: FeatureReason,
  figures: Figures,
): ShadowDecision {
  return { ...base(asked), reason, binding: 'feature', feature, unit: 'count', ...figures };
}

export function fileDecision(asked: PlanAsked, figures: Omit<Figures, 'used'>): ShadowDecision {
  const reason = 'fileTooLarge';
  return { ...base(asked), reason, binding: 'plan', unit: 'bytes', used: 0, ...figures };
}

/** Of a session without a socket, which says what it is for when it begins. */
export function startDecision(
  started: Omit<PlanAsked, 'org' | 'timeZone'>,
  reason: string,
  { org, timeZone, maxFileBytes }: Limits,
  { feature = '', bytes = 0 }: { feature?: string | undefined; bytes?: number | undefined },
): ShadowDecision {
  const asked = { ...started, org, timeZone };
  return reason === 'fileTooLarge'
    ? fileDecision(asked, { allowed: maxFileBytes ?? 0, wanted: bytes })
    : featureDecision(asked, feature, 'featureNotAllowed', { used: 0, allowed: 0, wanted: 1 });
}

function base({ org, user, session, at, period, timeZone }: PlanAsked) {
  const askedOn = session === null ? localDay(at, timeZone) : null;
  return { org, user, session, period, what: 'refused' as const, decidedAt: at, askedOn };
}
