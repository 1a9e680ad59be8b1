import { type BudgetName, organizationBudget } from '../../core/meter/budget-name.ts';
import type { Unsettled } from '../../core/meter/commands.ts';
import { SHARDS } from '../../core/meter/keys.ts';
import type { BudgetRow, SessionRow } from '../../core/meter/rows.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { type Repeated, repeat } from '../repeat.ts';

/** Live counter less what the ledger, the unsettled set and open minutes say. Zero, always. */
export interface Drift {
  budget: BudgetName;
  driftMs: number;
}

const MOST_UNSETTLED = 100_000;

interface Seen {
  budgets: BudgetRow[];
  live: SessionRow[];
  unsettled: Extract<Unsettled, { kind: 'minute' }>[];
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

/** null where the shard is being recovered, or a budget moved meanwhile: there is nothing to judge. */
async function readMeter(context: LedgerContext, shard: number): Promise<Map<string, Seen> | null> {
  const { meter } = context;
  const live = await meter.shardSessions(shard);
  if (live.status === 'recover') return null;
  const pending = await meter.pending(shard, { limit: MOST_UNSETTLED });
  if (pending.status === 'recover') return null;
  const seen = new Map<string, Seen>();
  const of = (org: string) => {
    const known = seen.get(org) ?? { budgets: [], live: [], unsettled: [] };
    seen.set(org, known);
    return known;
  };
  for (const row of live.sessions) of(row.org).live.push(row);
  for (const item of pending.items) if (item.kind === 'minute') of(item.org).unsettled.push(item);
  for (const [org, it] of seen) {
    const periods = new Set([
      ...it.live.flatMap((row) => row.marks.map((mark) => mark.period)),
      ...it.unsettled.map((item) => item.period),
    ]);
    const names = [...periods].map((period) => organizationBudget(org, period));
    const reply = await meter.readBudgets(org, names);
    if (reply.status === 'recover') return null;
    it.budgets = reply.budgets;
  }
  return seen;
}

interface SettledRow {
  period: number;
  usedMs: number;
  /** of live sessions, by id */
  sessions: { session: string; ms: number }[] | null;
  /** of minutes that are unsettled, of sessions that live no more, by `session|minute` */
  minutes: { key: string; ms: number }[] | null;
}

/**
 * In one snapshot, and after Redis was read: what was unsettled there may be settled here. A session
 * of one period is taken by its settled sum, which the same transactions keep: to read a thousand
 * sessions' minutes of an hour took 47 ms, and grew with them; so it takes 3, whatever their length.
 */
function readLedger(context: LedgerContext, org: string, it: Seen): Promise<SettledRow[]> {
  const periods = it.budgets.map((row) => row.startsAt);
  const live = new Set(it.live.map((row) => row.session));
  const minutes = it.unsettled.flatMap(({ session, minute }) =>
    live.has(session) ? [] : [{ session, minute }],
  );
  return context.sql<SettledRow[]>`
    select epoch_ms(b.starts_at) as period, b.used_ms as "usedMs",
      (select json_agg(json_build_object('session', s.id, 'ms', case
          when s.first_period = s.last_period then s.settled_ms
          else (select coalesce(sum(u.ms), 0) from usage_tracking u
            where u.session_month = s.start_month and u.org = s.org and u.session = s.id
              and u.period = b.starts_at) end))
       from sessions s where s.org = b.org and s.id = any(${[...live]})
         and b.starts_at between s.first_period and s.last_period) as sessions,
      (with w as materialized (
         select s.start_month as month, s.org, w.session, w.minute, b.starts_at as period
         from json_to_recordset(${JSON.stringify(minutes)}::json)
           as w (session text, minute integer)
         join sessions s on s.org = b.org and s.id = w.session)
       select json_agg(json_build_object('key', w.session || '|' || w.minute, 'ms', u.ms))
       from w join usage_tracking u on u.session_month = w.month and u.org = w.org
         and u.session = w.session and u.minute = w.minute and u.period = w.period) as minutes
    from billing_periods b
    where b.org = ${org}
      and b.starts_at in (select from_epoch_ms(at) from unnest(${periods}::bigint[]) at)`;
}

function driftOf(budget: BudgetRow, it: Seen, settled: SettledRow): Drift {
  const bySession = new Map(settled.sessions?.map((row) => [row.session, row.ms]));
  const byMinute = new Map(settled.minutes?.map((row) => [row.key, row.ms]));
  let expected = settled.usedMs;
  const live = new Set(it.live.map((row) => row.session));
  for (const row of it.live) {
    const charged = chargedByPeriod(row).get(budget.startsAt) ?? 0;
    expected += Math.max(0, charged - (bySession.get(row.session) ?? 0));
  }
  for (const item of it.unsettled) {
    if (item.period !== budget.startsAt || live.has(item.session)) continue;
    expected += Math.max(0, item.ms - (byMinute.get(`${item.session}|${item.minute}`) ?? 0));
  }
  return { budget: budget.name, driftMs: budget.usedMs - expected };
}

/** Differences of one look; those of budgets that are moving are not to be believed yet. */
export async function measureDrift(context: LedgerContext, shard: number): Promise<Drift[]> {
  const seen = await readMeter(context, shard);
  const drifts: Drift[] = [];
  for (const [org, it] of seen ?? []) {
    const settled = new Map((await readLedger(context, org, it)).map((row) => [row.period, row]));
    for (const budget of it.budgets) {
      const row = settled.get(budget.startsAt);
      if (row !== undefined) drifts.push(driftOf(budget, it, row));
    }
  }
  return drifts.filter((drift) => drift.driftMs !== 0);
}

/**
 * Measures drift all the time. It is judged when two passes agree: a charge between the readings
 * looks like drift once, but hardly twice by the same number.
 */
export function startReconcile(options: {
  context: LedgerContext;
  everyMs: number;
  log: Log;
  /** after each pass: the sum of what two passes agree on, without its sign */
  measured?(driftMs: number): void;
}): Repeated {
  const { context, everyMs, log } = options;
  let before = new Map<BudgetName, number>();
  return repeat({
    name: 'reconcile',
    everyMs,
    log,
    async run() {
      const now = new Map<BudgetName, number>();
      let agreedMs = 0;
      for (let shard = 0; shard < SHARDS; shard++) {
        const drifts = (await measureDrift(context, shard).catch(nullIfPart)) ?? [];
        for (const { budget, driftMs } of drifts) {
          now.set(budget, driftMs);
          if (before.get(budget) !== driftMs) continue;
          agreedMs += Math.abs(driftMs);
          log.error({ budget, driftMs }, 'the meter and the ledger differ');
        }
      }
      before = now;
      options.measured?.(agreedMs);
    },
  });
}
