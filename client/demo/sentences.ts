/** What the meter says in names, for people in sentences. */
import type { Action, Binding, Expiry, KnownWarning, Threshold, WarningScope } from '../index.ts';
import { dayAndTime, left } from './format.ts';

const budgets: Partial<Record<string, string>> = {
  organization: 'Minutes of the organization',
  member: 'Your own minutes',
  session: 'Length of this session',
  plan: 'Minutes of the plan',
} satisfies Partial<Record<Binding, string>>;

export function budgetName(binding: string): string {
  return budgets[binding] ?? 'Minutes of this period';
}

/** Percentages are of the plan's quota; what remains counts extra minutes too. */
const quotas: Partial<Record<string, string>> = {
  organization: 'the plan’s minutes',
  member: 'your own minutes',
  session: 'the longest session',
  extra: 'the extra minutes',
} satisfies Record<WarningScope, string>;
const remainders: Partial<Record<string, string>> = {
  member: ' of your own',
  session: ' of the longest session',
  extra: ' of the extra minutes',
} satisfies Partial<Record<WarningScope, string>>;

function roundly(ms: number): string {
  const minutes = ms / 60_000;
  if (!Number.isInteger(minutes)) return `${left(ms)} minutes`;
  return minutes === 1 ? '1 minute' : `${minutes} minutes`;
}

export function warningSentence(scope: string, threshold: Threshold): string {
  if ('remainingMs' in threshold) {
    return `${roundly(threshold.remainingMs)} left${remainders[scope] ?? ''}.`;
  }
  const of = quotas[scope] ?? 'the minutes';
  if (threshold.percent >= 100) return `All of ${of} are used.`;
  return `${threshold.percent} % of ${of} are used.`;
}

/**
 * Of several that came at once, those worth a word: 90 percent says that 80 was passed. They are
 * one after the other in each scope, percentages and remainders apart.
 */
export function worthTelling(warnings: readonly KnownWarning[]): readonly KnownWarning[] {
  const worst = new Map<string, KnownWarning>();
  const severity = ({ threshold }: KnownWarning) =>
    'percent' in threshold ? threshold.percent : -threshold.remainingMs;
  for (const warning of warnings) {
    const kind = `${warning.scope} ${'percent' in warning.threshold}`;
    const known = worst.get(kind);
    if (known === undefined || severity(warning) > severity(known)) worst.set(kind, warning);
  }
  return [...worst.values()];
}

export function sourceSentence(source: string): string {
  if (source === 'extra') return 'The plan’s minutes are used. Now drawing on extra minutes.';
  if (source === 'overage') return 'The plan’s minutes are used. More is billed as overage.';
  return 'Drawing on the plan’s minutes again.';
}

/** Of extra minutes with an end. */
export function expirySentence({ notice, extraExpires, expired }: Expiry): string {
  if (notice === 'expired') {
    return `Extra minutes have expired: ${roundly(expired?.ms ?? 0)} were not used.`;
  }
  if (extraExpires === null) return '';
  const { at, ms } = extraExpires;
  return `Extra minutes expire on ${dayAndTime(at)}: ${roundly(ms)} are left. They are used first.`;
}

const stops: Partial<Record<string, [title: string, text: string]>> = {
  limitReached: ['The minutes are used up', 'Recording stopped at the limit.'],
  sessionLimit: ['This session is at its longest', 'The plan allows no longer session.'],
  stoppedByOperator: ['Stopped by an operator', 'An operator ended this session.'],
  organizationSuspended: ['The organization is suspended', 'It cannot record at the moment.'],
  pausedTooLong: ['Paused too long', 'The session was ended while it was paused.'],
  meterUnavailable: ['The meter cannot answer', 'The plan does not record without it.'],
  superseded: ['Another device took over', 'The session goes on there.'],
  sessionEnded: ['The session has ended', 'It was away for too long to be taken up again.'],
  disconnected: ['The session has ended', 'It was away for too long to be taken up again.'],
};

/** Why a recording had to stop. `detail` is what the server said of it, if it did. */
export function stopSentence(reason: string, detail: string | null): [string, string] {
  return stops[reason] ?? ['Recording has stopped', detail ?? `The reason given is “${reason}”.`];
}

export const SAVE_SENTENCES = {
  none: '',
  saving: 'Saving your recording…',
  saved: 'Your recording is safe, below.',
  failed: 'This browser could not store the recording. Download it below before you leave.',
} as const;

export function actionSentence(action: Action): string {
  switch (action.type) {
    case 'buyExtraMinutes':
      return 'Buy extra minutes';
    case 'upgrade':
      return 'Upgrade the plan';
    case 'askAdmin':
      return 'Ask your administrator for more minutes';
    case 'wait':
      return action.until === undefined
        ? 'Wait, and try again'
        : `Wait until ${dayAndTime(action.until)}`;
    default:
      return action.type;
  }
}

/** Why the microphone did not open, from the name of the error that getUserMedia gave. */
export function microphoneSentence(name: string): string {
  switch (name) {
    case 'NotAllowedError':
      return 'The browser does not let this page use the microphone. Allow it in the address bar or in the site settings, then press Record again.';
    case 'NotFoundError':
      return 'No microphone was found. Plug one in, then press Record again.';
    case 'NotReadableError':
      return 'The microphone is in use by another program. Close that, then press Record again.';
    case 'InsecureContext':
      return 'Browsers open the microphone only to pages served over HTTPS or from localhost. Open this page there.';
    default:
      return `The microphone could not be opened (${name}). Check it, then press Record again.`;
  }
}
