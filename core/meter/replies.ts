/** Arguments of the scripts, and what their replies say: the typed edge of meter.ts. */
import type {
  BeatItem,
  BeatStatus,
  BeatsReply,
  CloseCommand,
  MeterClock,
  OpenReply,
  Recover,
} from './commands.ts';
import { decodeBudgetRow, decodeSessionRow } from './decode.ts';
import type { PeriodMark } from './rows.ts';

export type Reply = [status: string, now: number, ...rest: unknown[]];

export const RECOVER: Recover = { status: 'recover' };
const BEAT_STATUS: BeatStatus[] = ['ok', 'stopped', 'ended', 'superseded', 'unknown', 'recover'];
const BEAT_STATES = { recording: 0, paused: 1, detached: 2 } as const;
const FIELDS_PER_BEAT = 7;

/** What most commands tell: the session, the budgets it draws on, the fields it left. */
export function told(reply: Reply) {
  return {
    now: reply[1],
    session: decodeSessionRow(reply[2] as string),
    budgets: (reply[3] as string[]).map(decodeBudgetRow),
    minutes: reply[4] as string[],
  };
}

/** Ids of sessions are unique within an organization only. */
export function keyOf({ org, session }: { org: string; session: string }): string {
  return `${org}|${session}`;
}

/** Marks travel as pairs, as the records hold them. */
export function packed(command: unknown): string {
  return JSON.stringify(command, (key, value) =>
    key === 'marks'
      ? (value as PeriodMark[]).map(({ period, chargedMs }) => [period, chargedMs])
      : value,
  );
}

export function clockArguments(clock: MeterClock): number[] {
  return [clock.meterBaseAt, clock.realBaseAt, clock.speed, clock.frozen ? 1 : 0];
}

export function beatArguments(item: BeatItem): (string | number)[] {
  const { generation, counter } = item.epoch;
  return [keyOf(item), generation, counter, item.totalMs, item.ageMs, BEAT_STATES[item.state]];
}

export function closeArguments({ by }: CloseCommand): (string | number)[] {
  if ('sweep' in by) return ['sweep', by.sweep.totalMs, by.sweep.lastAnswerAt];
  return ['owner', by.owner.generation, by.owner.counter, by.totalMs, by.ageMs];
}

export function openReply(reply: Reply): OpenReply {
  const [status, now, what, rows] = reply;
  switch (status) {
    case 'recover':
      return RECOVER;
    case 'unknown':
    case 'foreign':
      return { status, now };
    case 'unseeded':
      return { status, budgets: what as string[] };
    case 'opened':
    case 'resumed':
    case 'ended':
      return { status, ...told(reply) };
    default: {
      const budgets = (rows as string[]).map(decodeBudgetRow);
      const minutes = reply[4] as string[];
      if (status === 'concurrencyLimit') return { status, now, live: what as number, budgets };
      if (status === 'limitReached' || status === 'plannedTooLong')
        return { status, now, by: what as string, budgets };
      return { status, now, budgets, minutes } as OpenReply;
    }
  }
}

export function beatsReply(
  [now, numbers, rows, fields]: [number, number[], string[], (string | number)[]],
  heads: number[],
): BeatsReply {
  const items: BeatsReply['items'] = [];
  for (let i = 0; i < numbers.length; i += FIELDS_PER_BEAT) {
    items.push({
      status: BEAT_STATUS[numbers[i]!]!,
      totalMs: numbers[i + 1]!,
      chargedMs: numbers[i + 2]!,
      overshootMs: numbers[i + 3]!,
      missingPeriod: numbers[i + 4] === -1 ? null : numbers[i + 4]!,
      boundaryDoubted: numbers[i + 5] === 1,
      period: numbers[i + 6]!,
    });
  }
  const minutes = heads.map((shard) => ({ shard, fields: [] as string[] }));
  for (let i = 0; i < fields.length; i += 2) {
    minutes[(fields[i] as number) - 1]!.fields.push(fields[i + 1] as string);
  }
  return {
    now,
    items,
    budgets: rows.map(decodeBudgetRow),
    minutes: minutes.filter((group) => group.fields.length > 0),
  };
}
