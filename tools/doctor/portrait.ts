/** The figures of one organization or member, side by side as each owner has them. */
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { BudgetRow, SessionRow } from '../../core/meter/rows.ts';
import { exactText } from '../../worker/ledger/check/duration-text.ts';
import { inSnapshot, type Reading } from '../../worker/ledger/check/snapshot.ts';
import type { Subject } from './examine.ts';
import type { Stores } from './stores.ts';

/** A member may be of many organizations; the newest figures of the first ones are shown. */
const MOST_SHOWN = 10;

interface Period {
  org: string;
  startsAt: number;
  endsAt: number;
  quotaMs: number | null;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  lots: number;
  lotsLeftMs: number;
  memberMs: number;
  memberQuotaMs: number | null;
  live: number;
  ended: number;
  closed: number;
}

export interface Portrait extends Period {
  user: string | null;
  /** as the meter has them; null: it has none of this period, or can't be asked now */
  counterMs: number | null;
  remainingMs: number | null;
  memberCounterMs: number | null;
  /** in the counter and not in the ledger yet */
  openMs: number | null;
  sessions: { session: string; user: string; state: string; totalMs: number }[];
}

function readPeriods(tx: Reading, { org, user }: Subject, now: number): Promise<Period[]> {
  return tx<Period[]>`
    select b.org, epoch_ms(b.starts_at) as "startsAt", epoch_ms(b.ends_at) as "endsAt",
      b.quota_ms as "quotaMs", b.used_ms as "usedMs", b.plan_ms as "planMs",
      b.extra_ms as "extraMs", b.overage_ms as "overageMs", l.lots, l.left as "lotsLeftMs",
      coalesce(c.used_ms, 0) as "memberMs", m.quota_ms as "memberQuotaMs", s.live, s.ended, s.closed
    from billing_periods b
    left join monthly_usage_cache c on c.org = b.org and c.period = b.starts_at
      and c.user_id = ${user}
    left join organization_members m on m.org = b.org and m.user_id = ${user}
    cross join lateral (
      select count(*) as lots, coalesce(sum(greatest(0, granted_ms - reversed_ms - used_ms)), 0)
        ::bigint as left
      from extra_minutes_purchases
      where org = b.org and expired_at is null and frozen_at is null) l
    cross join lateral (
      select count(*) filter (where state = 'live') as live,
        count(*) filter (where state = 'ended') as ended,
        count(*) filter (where state = 'closed') as closed
      from sessions where org = b.org and (${user}::text is null or user_id = ${user})) s
    where (${org}::text is null or b.org = ${org})
      and (${user}::text is null or m.user_id is not null or c.user_id is not null)
      and b.starts_at <= from_epoch_ms(${now}) and b.ends_at > from_epoch_ms(${now})
    order by b.org limit ${MOST_SHOWN}`;
}

/** Null where nobody is named: everything has no one figure. */
export async function portraits(
  stores: Stores,
  subject: Subject,
  now: number,
): Promise<Portrait[]> {
  const { user } = subject;
  const periods = await inSnapshot(stores.database.sql, (tx) => readPeriods(tx, subject, now));
  return Promise.all(
    periods.map(async (period): Promise<Portrait> => {
      const { org, startsAt } = period;
      const own = organizationBudget(org, startsAt);
      const names = user === null ? [own] : [own, memberBudget(org, user, startsAt)];
      const budgets = await stores.meter.readBudgets(org, names);
      const live = await stores.meter.liveSessions(org);
      const rows: BudgetRow[] = budgets.status === 'ok' ? budgets.budgets : [];
      const sessions: SessionRow[] = live.status === 'ok' ? live.sessions : [];
      const counter = rows.find((row) => row.name === own);
      const counterMs = counter?.usedMs ?? null;
      return {
        ...period,
        user,
        counterMs,
        remainingMs: counter?.remainingMs ?? null,
        memberCounterMs: rows.find((row) => row.name !== own)?.usedMs ?? null,
        openMs: counterMs === null ? null : counterMs - period.usedMs,
        sessions: sessions
          .filter((row) => user === null || row.user === user)
          .map(({ session, user: of, state, totalMs }) => ({ session, user: of, state, totalMs })),
      };
    }),
  );
}

const known = (ms: number | null) => (ms === null ? 'none yet' : exactText(ms));

export function portraitLines(it: Portrait): string[] {
  const date = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  const quota = it.quotaMs === null ? 'unlimited' : exactText(it.quotaMs);
  const lines = [
    `${it.org}, period from ${date(it.startsAt)} to ${date(it.endsAt)}`,
    `  live counter   ${known(it.counterMs)}, of which ${known(it.openMs)} are not settled yet`,
    `  ledger         ${exactText(it.usedMs)}: plan ${exactText(it.planMs)}, extra ${exactText(it.extraMs)}, overage ${exactText(it.overageMs)}`,
    `  plan           ${quota}`,
    `  lots           ${it.lots} that serve, with ${exactText(it.lotsLeftMs)} left`,
    `  sessions       ${it.live} live, ${it.ended} ended and not closed, ${it.closed} closed (of all time)`,
  ];
  if (it.user !== null) {
    const limit = it.memberQuotaMs === null ? 'no limit of their own' : exactText(it.memberQuotaMs);
    lines.splice(
      2,
      0,
      `  ${it.user}: live counter ${known(it.memberCounterMs)}, ledger ${exactText(it.memberMs)}, ${limit}`,
    );
  }
  const now = it.sessions.slice(0, MOST_SHOWN);
  return [
    ...lines,
    ...now.map(
      (row) =>
        `  now            ${row.session} of ${row.user}: ${row.state}, ${exactText(row.totalMs)}`,
    ),
  ];
}
