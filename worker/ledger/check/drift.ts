import {
  type BudgetName,
  memberBudget,
  organizationBudget,
  parseBudgetName,
} from '../../../core/meter/budget-name.ts';
import type { BudgetRow, SessionRow } from '../../../core/meter/rows.ts';
import { numbers, words } from '../columns.ts';
import { together } from '../together.ts';
import { exactText } from './duration-text.ts';
import { type Finding, finding } from './finding.ts';
import type { MeterReading, UnsettledMinute } from './meter-reading.ts';
import type { Reading } from './snapshot.ts';

/** Live counter less what the ledger, the unsettled set and open minutes say. Zero, always. */
export interface Drift {
  budget: BudgetName;
  driftMs: number;
  usedMs: number;
}

/** The ledger's side, for what a reading of the meter names. */
export interface SettledSide {
  budgets: { budget: BudgetName; usedMs: number }[];
  /** of live sessions, by period */
  sessions: { org: string; session: string; period: number; ms: number }[];
  /** of minutes that are unsettled, of sessions that live no more */
  minutes: { org: string; session: string; minute: number; period: number; ms: number }[];
}

const minutesOf = (reading: MeterReading): UnsettledMinute[] => {
  const live = new Set(reading.live.map(({ org, session }) => `${org}|${session}`));
  return reading.unsettled.filter(
    (it): it is UnsettledMinute => it.kind === 'minute' && !live.has(`${it.org}|${it.session}`),
  );
};

/**
 * In one snapshot, and after Redis was read: what was unsettled there may be settled here. A session
 * of one period is taken by its settled sum, which the same transactions keep: to read a thousand
 * sessions' minutes of an hour took 47 ms, and grew with them; so it takes 3, whatever their length.
 */
export async function readSettled(tx: Reading, reading: MeterReading): Promise<SettledSide> {
  const parsed = reading.budgets.map((row) => parseBudgetName(row.name));
  const periods = parsed.filter((it) => it.scope === 'organization');
  const members = parsed.filter((it) => it.scope === 'member');
  const live = reading.live.flatMap(({ org, session, marks }) =>
    marks.map(({ period }) => ({ org, session, period })),
  );
  const minutes = minutesOf(reading);
  const [ofPeriods, ofMembers, sessions, settled] = await together([
    tx<{ org: string; period: number; usedMs: number }[]>`
      select w.org, w.period, b.used_ms as "usedMs"
      from unnest(${words(periods.map((it) => it.org))}::text[],
        ${numbers(periods.map((it) => it.period))}::bigint[]) as w (org, period)
      join billing_periods b on b.org = w.org and b.starts_at = from_epoch_ms(w.period)`,
    tx<{ org: string; user: string; period: number; usedMs: number }[]>`
      select w.org, w."user", w.period, coalesce(c.used_ms, 0) as "usedMs"
      from unnest(${words(members.map((it) => it.org))}::text[],
        ${words(members.map((it) => it.user))}::text[],
        ${numbers(members.map((it) => it.period))}::bigint[]) as w (org, "user", period)
      left join monthly_usage_cache c on c.org = w.org and c.user_id = w."user"
        and c.period = from_epoch_ms(w.period)`,
    tx<SettledSide['sessions'][number][]>`
      select w.org, w.session, w.period, (case
        when s.first_period = s.last_period then s.settled_ms
        else (select coalesce(sum(u.ms), 0) from usage_tracking u
          where u.session_month = s.start_month and u.org = s.org and u.session = s.id
            and u.period = from_epoch_ms(w.period)) end)::bigint as ms
      from unnest(${words(live.map((it) => it.org))}::text[],
        ${words(live.map((it) => it.session))}::text[],
        ${numbers(live.map((it) => it.period))}::bigint[]) as w (org, session, period)
      join sessions s on s.org = w.org and s.id = w.session
      where from_epoch_ms(w.period) between s.first_period and s.last_period`,
    tx<SettledSide['minutes'][number][]>`
      with w as materialized (
        select s.start_month as month, w.org, w.session, w.minute, w.period
        from unnest(${words(minutes.map((it) => it.org))}::text[],
          ${words(minutes.map((it) => it.session))}::text[],
          ${numbers(minutes.map((it) => it.minute))}::integer[],
          ${numbers(minutes.map((it) => it.period))}::bigint[]) as w (org, session, minute, period)
        join sessions s on s.org = w.org and s.id = w.session)
      select w.org, w.session, w.minute, w.period, u.ms
      from w join usage_tracking u on u.session_month = w.month and u.org = w.org
        and u.session = w.session and u.minute = w.minute and u.period = from_epoch_ms(w.period)`,
  ] as const);
  return {
    budgets: [
      ...ofPeriods.map((it) => ({
        budget: organizationBudget(it.org, it.period),
        usedMs: it.usedMs,
      })),
      ...ofMembers.map((it) => ({
        budget: memberBudget(it.org, it.user, it.period),
        usedMs: it.usedMs,
      })),
    ],
    sessions,
    minutes: settled,
  };
}

/** What was charged of a session in each period, from its marks. */
function chargedByPeriod(row: SessionRow): Map<number, number> {
  return new Map(
    row.marks.map((mark, i) => {
      const end = row.marks[i + 1]?.chargedMs ?? row.chargedMs;
      return [mark.period, end - mark.chargedMs];
    }),
  );
}

/**
 * Rule 14 in core/meter/README.md: drift = used − Σ over minutes of max(settled, unsettled, open), of
 * organizations' and members' budgets. Answers those that differ from zero.
 * @param judged the reading's budgets that nobody has written between the readings
 */
export function driftsOf(
  reading: MeterReading,
  judged: readonly BudgetRow[],
  settled: SettledSide,
): Drift[] {
  const expected = new Map(settled.budgets.map((it) => [it.budget, it.usedMs]));
  const add = (org: string, user: string, period: number, ms: number) => {
    if (ms <= 0) return;
    for (const budget of [organizationBudget(org, period), memberBudget(org, user, period)]) {
      expected.set(budget, (expected.get(budget) ?? 0) + ms);
    }
  };
  const sessionKey = (it: { org: string; session: string; period: number }) =>
    `${it.org}|${it.session}|${it.period}`;
  const ofSession = new Map(settled.sessions.map((it) => [sessionKey(it), it.ms]));
  const ofMinute = new Map(settled.minutes.map((it) => [`${sessionKey(it)}|${it.minute}`, it.ms]));
  for (const row of reading.live) {
    for (const [period, charged] of chargedByPeriod(row)) {
      const { org, session } = row;
      add(
        org,
        row.user,
        period,
        charged - (ofSession.get(sessionKey({ org, session, period })) ?? 0),
      );
    }
  }
  for (const it of minutesOf(reading)) {
    add(it.org, it.user, it.period, it.ms - (ofMinute.get(`${sessionKey(it)}|${it.minute}`) ?? 0));
  }
  return judged.flatMap(({ name, usedMs }) => {
    // The ledger has no such period: there is nothing to compare with yet.
    const should = expected.get(name);
    if (should === undefined || should === usedMs || name.startsWith('s|')) return [];
    return [{ budget: name, driftMs: usedMs - should, usedMs }];
  });
}

export function judgeDrifts(drifts: readonly Drift[]): Finding[] {
  return drifts.map(({ budget, driftMs, usedMs }) => {
    const parsed = parseBudgetName(budget);
    const whose =
      parsed.scope === 'member'
        ? `${parsed.user} in ${parsed.org}`
        : `the organization ${parsed.org}`;
    return finding('drift', {
      org: parsed.org,
      subject: budget,
      says: `The live counter of ${whose} says ${exactText(usedMs)}, which is ${exactText(Math.abs(driftMs))} too ${driftMs > 0 ? 'much' : 'little'}.`,
      figures: { driftMs, usedMs },
    });
  });
}
