/** Arguments of the scripts, and what their replies say: the typed edge of meter.ts. */
import type {
  BeatsReply,
  CloseCommand,
  MeterClock,
  OpenReply,
  PlacesReply,
  Recover,
} from './commands.ts';
import { decodeBudgetRow, decodeSessionRow } from './decode.ts';
import { unpackAnswers, unpackBudget } from './packed.ts';
import type { BudgetRow, LimitedBy, PeriodMark } from './rows.ts';

export type Reply = [status: string, now: number, ...rest: unknown[]];

export const RECOVER: Recover = { status: 'recover' };

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
    case 'uncounted':
      return { status, now, generation: what as number };
    case 'opened':
      return { status, ...told(reply), shadowed: reply[5] as '' | 'concurrencyLimit' | 'dayLimit' };
    case 'resumed':
    case 'ended':
      return { status, ...told(reply) };
    default: {
      const budgets = (rows as string[]).map(decodeBudgetRow);
      const minutes = reply[4] as string[];
      const number = what as number;
      const by = reply[5] as LimitedBy;
      if (status === 'concurrencyLimit') return { status, now, live: number, by, budgets };
      if (status === 'dayLimit') return { status, now, used: number, by, budgets };
      if (status === 'queued')
        return { status, now, ahead: number, turn: reply[5] as number, budgets };
      if (status === 'limitReached' || status === 'plannedTooLong')
        return { status, now, by: what as string, budgets };
      return { status, now, budgets, minutes } as OpenReply;
    }
  }
}

export function placesReply(reply: Reply): PlacesReply {
  if (reply[0] === 'recover') return RECOVER;
  const [, now, live, memberLive, waiting, isCounted, begun, memberBegun] = reply as unknown as [
    string,
    ...number[],
  ];
  return {
    status: 'ok',
    ...{ now: now!, live: live!, memberLive: memberLive!, waiting: waiting! },
    ...{ isCounted: isCounted === 1, begun: begun!, memberBegun: memberBegun! },
  };
}

/** What `beats` answers: answers as bytes, three to a budget, two to a field. */
export type RawBeats = [now: number, answers: Buffer, rows: Buffer[], fields: (number | Buffer)[]];

/** `heads`: the shards of the call's keys, in order. */
export function beatsReply([now, answers, rows, fields]: RawBeats, heads: number[]): BeatsReply {
  const budgets: BudgetRow[] = [];
  for (let i = 0; i < rows.length; i += 3) {
    budgets.push(unpackBudget(rows[i]!.toString('latin1'), rows[i + 1]!, rows[i + 2]!));
  }
  const minutes: BeatsReply['minutes'] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const shard = heads[(fields[i] as number) - 1]!;
    const field = fields[i + 1]!.toString();
    const group = minutes.find((known) => known.shard === shard);
    if (group) group.fields.push(field);
    else minutes.push({ shard, fields: [field] });
  }
  return { now, items: unpackAnswers(answers), budgets, minutes };
}
