import { readAmount } from './amount.ts';
import {
  derivedId,
  ID,
  idProblem,
  isRefusal,
  type Reading,
  type ReadOptions,
  type Refusal,
  refuse,
} from './reading.ts';
import type { SourceRow } from './source.ts';

export const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A row of more is no recording. */
const LONGEST_MS = 7 * DAY_MS;
/** Clocks of two machines differ. */
const AHEAD_MS = 5 * MINUTE_MS;

/** Time of one session from one instant on, as a row of the source says it. */
export interface UsageRow {
  source: SourceRow;
  /** '' where the row names none */
  org: string;
  user: string;
  /** null: made of organization, user and day */
  session: string | null;
  at: number;
  ms: number;
  /** what was over the 60 s of its minute, and is not in `ms` */
  overMs: number;
  /** the source's id of the lot that it burnt */
  purchase: string | null;
  isAmbiguous: boolean;
}

type Duration = { ms: number; isMinute: boolean };

/** The first figure that is there; a row without any such column is a whole minute. */
function durationOf(
  reading: Reading<'usage'> | Reading<'sessions'>,
  row: SourceRow,
): Duration | Refusal {
  const units = ['ms', 'seconds', 'minutes'] as const;
  const { has, cell } = reading as Reading<'usage'>;
  for (const unit of units) {
    const text = cell(row, unit);
    if (text === '') continue;
    const amount = readAmount(text, unit);
    if ('ms' in amount) return { ms: amount.ms, isMinute: unit !== 'minutes' };
    return refuse(amount.isNegative ? 'negative' : 'badNumber', amount.problem);
  }
  if (units.some(has)) return refuse('badNumber', 'it does not say how long');
  return { ms: MINUTE_MS, isMinute: true };
}

interface Whose {
  org: string;
  user: string;
  at: number;
  isAmbiguous: boolean;
}

function whoseOf(
  reading: Reading<'usage'> | Reading<'sessions'>,
  row: SourceRow,
  { org: fallback, now }: ReadOptions,
): Whose | Refusal {
  const { cell, instant } = reading as Reading<'usage'>;
  const org = cell(row, 'org') || (fallback ?? '');
  const user = cell(row, 'user');
  if (user === '') return refuse('noUser', '');
  if (!ID.test(user)) return idProblem('user', user);
  if (org !== '' && !ID.test(org)) return idProblem('organization', org);
  const time = instant(cell(row, 'at'));
  if ('problem' in time) return refuse('noTime', time.problem);
  if (time.at > now + AHEAD_MS) return refuse('future', new Date(time.at).toISOString());
  return { org, user, ...time };
}

export function readUsage(
  reading: Reading<'usage'>,
  row: SourceRow,
  options: ReadOptions,
): UsageRow | Refusal {
  const whose = whoseOf(reading, row, options);
  if (isRefusal(whose)) return whose;
  const session = reading.cell(row, 'session');
  if (session !== '' && !ID.test(session)) return idProblem('session', session);
  const duration = durationOf(reading, row);
  if (isRefusal(duration)) return duration;
  const { ms, isMinute } = duration;
  if (ms === 0) return refuse('empty', '');
  if (!isMinute && ms > LONGEST_MS) return refuse('tooLong', `${ms} ms`);
  return {
    source: row,
    ...whose,
    session: session === '' ? null : session,
    ms: isMinute ? Math.min(ms, MINUTE_MS) : ms,
    overMs: isMinute ? Math.max(0, ms - MINUTE_MS) : 0,
    purchase: reading.cell(row, 'lot') || null,
  };
}

export interface SessionRow extends Whose {
  source: SourceRow;
  session: string;
  endedAt: number;
  /** null: the source does not say */
  ms: number | null;
}

/** A session's own row. How long it was follows from its end where nothing else says it. */
export function readSession(
  reading: Reading<'sessions'>,
  row: SourceRow,
  options: ReadOptions,
): SessionRow | Refusal {
  const whose = whoseOf(reading, row, options);
  if (isRefusal(whose)) return whose;
  const session = reading.cell(row, 'id');
  if (!ID.test(session)) return idProblem('session', session);
  const end = reading.cell(row, 'end');
  const ended = end === '' ? null : reading.instant(end);
  if (ended !== null && 'problem' in ended) return refuse('noTime', ended.problem);
  const isSaid = (['ms', 'seconds', 'minutes'] as const).some((it) => reading.cell(row, it) !== '');
  const duration = isSaid ? durationOf(reading, row) : null;
  if (duration !== null && isRefusal(duration)) return duration;
  const ms = duration?.ms ?? (ended === null ? null : ended.at - whose.at);
  if (ms !== null && ms < 0) return refuse('negative', 'it ends before it begins');
  if (ms !== null && ms > LONGEST_MS) return refuse('tooLong', `${ms} ms`);
  const endedAt = Math.max(whose.at, ended?.at ?? whose.at + (ms ?? 0));
  return { source: row, session, ...whose, endedAt, ms };
}

/** Whole minutes from its beginning on, and what is left: each is a row by its own instant. */
export function minutesOf({ at, ms }: { at: number; ms: number }): { at: number; ms: number }[] {
  return Array.from({ length: Math.ceil(ms / MINUTE_MS) }, (_, i) => ({
    at: at + i * MINUTE_MS,
    ms: Math.min(MINUTE_MS, ms - i * MINUTE_MS),
  }));
}

/** Rows without a session are one of their user and day. */
export const sessionOfDay = (org: string, user: string, at: number): string =>
  derivedId('day', org, user, Math.floor(at / DAY_MS));
