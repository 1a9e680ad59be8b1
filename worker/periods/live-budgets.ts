/**
 * Budgets of whoever records: the next period's are in the meter before the boundary, and nobody
 * stays in an old one because the next is missing there.
 */
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { SHARDS } from '../../core/meter/keys.ts';
import type { SessionRow } from '../../core/meter/rows.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { writeAudit } from '../ledger/audit.ts';
import { groupBy } from '../ledger/grouping.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import type { Pace } from './pace.ts';

/** Organizations whose budgets are brought into the meter before the next pause. */
export const SEEDS_A_BATCH = 50;
/** Two years: nobody has recorded through more without a word. */
const MOST_PERIODS = 25;
/** Budgets of one call to the meter. */
const BUDGETS_A_SEED = 200;

interface Span {
  org: string;
  startsAt: number;
  endsAt: number;
}

/** Periods of these organizations from the first that any of their sessions stands in. */
function spansOf({ sql }: LedgerContext, live: readonly SessionRow[]): Promise<Span[]> {
  const first = new Map<string, number>();
  for (const { org, period } of live) first.set(org, Math.min(first.get(org) ?? period, period));
  return sql<Span[]>`
    select b.org, epoch_ms(b.starts_at) as "startsAt", epoch_ms(b.ends_at) as "endsAt"
    from unnest(${[...first.keys()]}::text[], ${[...first.values()]}::bigint[]) as w (org, first)
    join billing_periods b on b.org = w.org and b.starts_at >= from_epoch_ms(w.first)
    order by b.org, b.starts_at`;
}

/** What sessions draw on, or will, in these periods. */
function namesOf(
  org: string,
  live: readonly SessionRow[],
  starts: readonly number[],
): BudgetName[] {
  const users = [...new Set(live.map((row) => row.user))];
  return starts.flatMap((start) => [
    organizationBudget(org, start),
    ...users.map((user) => memberBudget(org, user, start)),
  ]);
}

async function seed(context: LedgerContext, org: string, names: BudgetName[]): Promise<void> {
  for (let from = 0; from < names.length; from += BUDGETS_A_SEED) {
    const seeds = await loadSeeds(context.db, org, names.slice(from, from + BUDGETS_A_SEED));
    if (seeds !== null) await context.meter.seed(seeds).catch(nullIfPart);
  }
}

/** Whether something keeps them in an old period: one that has not spoken since moves by itself. */
async function isHeld(
  { meter }: LedgerContext,
  org: string,
  names: BudgetName[],
  ends: ReadonlyMap<number, number>,
): Promise<boolean> {
  const reply = await meter.readBudgets(org, names);
  if (reply.status === 'recover') return false;
  const isLate = reply.budgets.some((row) => (row.endsAt ?? 0) > ends.get(row.startsAt)!);
  return isLate || reply.budgets.length < names.length;
}

export interface LiveBudgets {
  /** organizations whose next period the meter was told of */
  ahead: number;
  /** of which sessions stood in an old period that the meter could not leave */
  stale: number;
}

export interface LiveLook {
  /** meter instant */
  now: number;
  /** up to which boundaries the next period is told */
  until: number;
  pace: Pace;
  /** budgets that were told before: `forget` what is past */
  told: Set<BudgetName>;
}

/** One call a shard finds who records; what follows is done in batches. */
export async function tellLive(context: LedgerContext, look: LiveLook): Promise<LiveBudgets> {
  const { now, until, pace, told } = look;
  const done: LiveBudgets = { ahead: 0, stale: 0 };
  let since = 0;
  for (let shard = 0; shard < SHARDS; shard++) {
    const reply = await context.meter.shardSessions(shard).catch(nullIfPart);
    if (reply === null || reply.status === 'recover' || reply.sessions.length === 0) continue;
    const spans = groupBy(await spansOf(context, reply.sessions), (it) => it.org);
    for (const [org, live] of groupBy(reply.sessions, (row) => row.org)) {
      const periods = spans.get(org) ?? [];
      const next = periods.filter((it) => it.startsAt > now && it.startsAt <= until);
      const ahead = namesOf(
        org,
        live,
        next.map((it) => it.startsAt),
      ).filter((it) => !told.has(it));
      const isAhead = ahead.length > 0;
      if (isAhead) {
        await seed(context, org, ahead);
        for (const name of ahead) told.add(name);
        done.ahead += 1;
      }
      const isStale = await release(context, { org, live, periods, now });
      if (isStale) done.stale += 1;
      if (!isAhead && !isStale) continue;
      since += 1;
      if (since % SEEDS_A_BATCH === 0) await pace.pause();
    }
  }
  return done;
}

/** Every period from that one to the present: a session goes from each to the next. */
async function chain(
  { db }: LedgerContext,
  org: string,
  from: number,
  now: number,
): Promise<{ startsAt: number; endsAt: number }[]> {
  const found = [];
  for (let at = from; at <= now && found.length < MOST_PERIODS; ) {
    const period = await ensurePeriod(db, org, at);
    if (period === null) break;
    found.push(period);
    at = period.endsAt;
  }
  return found;
}

/** Brings what is missing to sessions that stand in a period that has ended. */
async function release(
  context: LedgerContext,
  { org, live, periods, now }: { org: string; live: SessionRow[]; periods: Span[]; now: number },
): Promise<boolean> {
  const ends = new Map(periods.map((it) => [it.startsAt, it.endsAt]));
  const old = live.filter((row) => (ends.get(row.period) ?? now + 1) <= now);
  if (old.length === 0) return false;
  const begun = await chain(context, org, Math.min(...old.map((row) => row.period)), now);
  for (const it of begun) ends.set(it.startsAt, it.endsAt);
  const starts = begun.map((it) => it.startsAt);
  const names = namesOf(org, old, starts);
  if (!(await isHeld(context, org, names, ends))) return false;
  await seed(context, org, names);
  const sessions = old.map((row) => row.session).slice(0, SEEDS_A_BATCH);
  const detail = { sessions, periods: starts };
  await writeAudit(context.db, { actor: 'worker', action: 'period.stale', org, detail });
  return true;
}
