import type postgres from 'postgres';
import { localDay } from '../../core/calendar/local-day.ts';
import type { MinuteChange } from './batch.ts';
import { burn, type Lot } from './burn.ts';
import { groupBy, minuteKey, periodKey, sessionKey } from './grouping.ts';
import {
  type LockedOrganization,
  type LockedPeriod,
  lockLots,
  type StoredMinute,
} from './reads.ts';
import type { GrownMinute } from './writes.ts';

const MINUTE_MS = 60_000;
/** Offsets of zones are whole quarters of an hour: within one the local day does not change. */
const QUARTER_MS = 15 * MINUTE_MS;

/**
 * The day on which a minute is settled, within its period: seconds after it was recorded, as a rule.
 * Reckoned once a period of the batch, for the calendar is slow.
 */
export function createDays(
  orgs: ReadonlyMap<string, LockedOrganization>,
  periods: ReadonlyMap<string, LockedPeriod>,
  now: number,
): (it: MinuteChange) => string {
  const days = new Map<string, string>();
  return (it) => {
    const period = periodKey(it);
    const key = it.at === undefined ? period : `${period}|${Math.floor(it.at / QUARTER_MS)}`;
    let day = days.get(key);
    if (day === undefined) {
      const at = Math.max(it.period, Math.min(it.at ?? now, periods.get(period)!.endsAt - 1));
      day = localDay(at, orgs.get(it.org)!.timeZone);
      days.set(key, day);
    }
    return day;
  };
}

/** What the ledger has of one minute, by the start of the period. */
type Held = Map<number, number>;

function heldOf(stored: Map<string, StoredMinute>): Map<string, Held> {
  const held = new Map<string, Held>();
  for (const it of stored.values()) heldIn(held, it).set(it.period, it.ms);
  return held;
}

function heldIn(held: Map<string, Held>, it: Pick<StoredMinute, 'org' | 'session' | 'minute'>) {
  const key = `${sessionKey(it)}|${it.minute}`;
  const known = held.get(key) ?? new Map<number, number>();
  held.set(key, known);
  return known;
}

/**
 * What is larger than what is stored, with the stored split to be added to. A minute has no more
 * than its 60 seconds in all periods together: after a recovery two lives of a session may disagree
 * in which period a piece of it lies, and what the ledger has first stays.
 */
export function growthsOf(
  minutes: (MinuteChange & { month: string })[],
  stored: Map<string, StoredMinute>,
  day: (it: MinuteChange) => string,
): GrownMinute[] {
  const held = heldOf(stored);
  return minutes.flatMap((it) => {
    const mine = heldIn(held, it);
    const before = stored.get(minuteKey(it));
    const others = [...mine].filter(([period]) => period !== it.period);
    const elsewhere = others.reduce((sum, [, ms]) => sum + ms, 0);
    const total = elsewhere === 0 ? it.ms : Math.min(it.ms, MINUTE_MS - elsewhere);
    const ms = total - (before?.ms ?? 0);
    if (ms <= 0) return [];
    mine.set(it.period, total);
    const none = { planMs: 0, extraMs: 0, overageMs: 0, billableMs: 0, debtMs: 0 };
    return [
      {
        ...(before ?? { ...none, day: day(it) }),
        ...it,
        ms: total,
        // Rounded once, where it began.
        begins: before === undefined && others.every(([period]) => period > it.period),
        growth: { ms, ...none, lots: [] },
      },
    ];
  });
}

/** Burns each organization's growths and adds the parts to its minutes. */
export async function split(
  tx: postgres.TransactionSql,
  grown: GrownMinute[],
  periods: Map<string, LockedPeriod>,
): Promise<void> {
  const byOrganization = groupBy(grown, (it) => it.org);
  const short = [...byOrganization].filter(([, mine]) => exceedsPlan(mine, periods));
  const lots: Map<string, Lot[]> =
    short.length === 0
      ? new Map()
      : await lockLots(
          tx,
          short.map(([org]) => org),
        );
  for (const [org, mine] of byOrganization) {
    const limits = new Map(mine.map((it) => [it.period, periods.get(periodKey(it))!] as const));
    const growths = mine.map((it) => ({ period: it.period, ms: it.growth.ms }));
    burn(growths, limits, lots.get(org) ?? []).forEach((part, i) => {
      const minute = mine[i]!;
      minute.growth = { ms: minute.growth.ms, ...part };
      minute.planMs += part.planMs;
      minute.extraMs += part.extraMs;
      minute.overageMs += part.overageMs;
      minute.billableMs += part.billableMs;
      minute.debtMs += part.debtMs;
    });
  }
}

/** Whether lots may be needed; most batches are within the plan and leave them alone. */
function exceedsPlan(mine: GrownMinute[], periods: Map<string, LockedPeriod>): boolean {
  for (const [key, group] of groupBy(mine, periodKey)) {
    const { quotaMs, planMs } = periods.get(key)!;
    const ms = group.reduce((sum, it) => sum + it.growth.ms, 0);
    if (quotaMs !== null && planMs + ms > quotaMs) return true;
  }
  return false;
}
