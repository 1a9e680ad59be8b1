/** Why a recorder is not let in: a code, a sentence, what would help, and the close code. */
import { parseBudgetName } from '../core/meter/budget-name.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import type { CloseName } from '../core/protocol/close-codes.ts';
import type { Action, Binding, RefusalCode, Refused } from '../core/protocol/messages.ts';
import type { Opened } from './opening.ts';
import { readingOf } from './reading.ts';
import { withWait } from './wait-action.ts';

const CLOSE_BY_CODE: Record<RefusalCode, CloseName> = {
  limitReached: 'limitReached',
  plannedTooLong: 'limitReached',
  concurrencyLimit: 'concurrencyLimit',
  ticketInvalid: 'ticketInvalid',
  ticketStale: 'ticketStale',
  organizationUnknown: 'ticketInvalid',
  organizationSuspended: 'organizationSuspended',
  sessionEnded: 'sessionEnded',
  sessionUnknown: 'sessionEnded',
  sessionInvalid: 'badMessage',
  checkpointInvalid: 'ticketStale',
  featureNotAllowed: 'featureNotAllowed',
  meterUnavailable: 'meterUnavailable',
};

export interface Refusal extends Refused {
  close: CloseName;
}

export function refusal(
  code: RefusalCode,
  detail: string,
  more: Partial<Pick<Refused, 'binding' | 'reading' | 'actions' | 'ended'>> = {},
): Refusal {
  return { type: 'refused', code, detail, actions: [], ...more, close: CLOSE_BY_CODE[code] };
}

const WHOSE: Partial<Record<Binding, string>> = {
  organization: 'The organization has',
  member: 'This member has',
  session: 'This session has',
};

function minutes(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function byBudget(
  code: 'limitReached' | 'plannedTooLong',
  row: BudgetRow,
  now: number,
  plannedMs: number | null,
  actions: (binding: Binding) => Action[],
): Refusal {
  const binding = parseBudgetName(row.name).scope;
  const left = minutes(row.remainingMs ?? 0);
  const detail =
    code === 'limitReached'
      ? `${WHOSE[binding]} no recording time left in this period.`
      : `${WHOSE[binding]} ${left} left, less than the ${minutes(plannedMs ?? 0)} planned.`;
  const reading = readingOf(row, 0, now);
  const wantedMs = code === 'limitReached' ? undefined : (plannedMs ?? undefined);
  const helping = withWait(actions(binding), row, wantedMs);
  return refusal(code, detail, { binding, reading, actions: helping });
}

/** The meter's refusal in words; null where it let the session in. `dayEndsAt`: of the local day. */
export function refusalOf(
  opened: Opened,
  plannedMs: number | null,
  actions: (binding: Binding) => Action[],
  dayEndsAt: number | null = null,
): Refusal | null {
  switch (opened.status) {
    case 'opened':
    case 'resumed':
      return null;
    case 'limitReached':
    case 'plannedTooLong': {
      const row = opened.budgets.find(({ name }) => name === opened.by)!;
      return byBudget(opened.status, row, opened.now, plannedMs, actions);
    }
    case 'concurrencyLimit':
      return refusal(
        'concurrencyLimit',
        opened.by === 'member'
          ? `${opened.live} sessions of this member run already, as many as it may have. Stop one, then start again.`
          : `${opened.live} sessions run already, as many as the plan allows. Stop one, then start again.`,
        { binding: 'concurrency', actions: actions('concurrency') },
      );
    case 'dayLimit': {
      const whose = opened.by === 'member' ? 'this member may start' : 'the plan allows';
      const until = dayEndsAt === null ? {} : { until: dayEndsAt };
      return refusal(
        'limitReached',
        `${opened.used} sessions have begun today, as many as ${whose} a day. The next day begins at midnight of the organization's zone.`,
        { binding: 'day', actions: [...actions('day'), { type: 'wait', ...until }] },
      );
    }
    // Who waits is told so, and asked for again: to be answered with it is to have waited too long.
    case 'queued':
      return refusal(
        'concurrencyLimit',
        `All places are taken, and ${opened.ahead} wait before this one: it has waited as long as the plan allows. Start again.`,
        { binding: 'concurrency', actions: actions('concurrency') },
      );
    case 'organizationSuspended':
      return refusal(
        'organizationSuspended',
        'The organization is suspended: ask its administrator.',
        {
          actions: [{ type: 'askAdmin' }],
        },
      );
    case 'checkpointInvalid':
      return refusal(
        'checkpointInvalid',
        'The session went on elsewhere since this checkpoint: resume with a fresh ticket.',
      );
    case 'ended':
      return refusal('sessionEnded', 'This session has ended. Start a new one.', {
        ...(opened.end ? { ended: opened.end } : {}),
      });
  }
}
