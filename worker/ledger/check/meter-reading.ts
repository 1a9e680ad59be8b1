import {
  type BudgetName,
  memberBudget,
  organizationBudget,
} from '../../../core/meter/budget-name.ts';
import type { Meter, Unsettled } from '../../../core/meter/commands.ts';
import type { BudgetRow, SessionRow } from '../../../core/meter/rows.ts';

/** More than this of one shard is a backlog of its own, and no drift can be judged under it. */
export const MOST_UNSETTLED = 50_000;
/** Budgets one script reads: Redis does nothing else meanwhile, for two milliseconds at most. */
const NAMES_A_CALL = 200;

export type UnsettledMinute = Extract<Unsettled, { kind: 'minute' }>;

/** One shard as the meter has it. Not of one instant: `unmoved` says which budgets may be judged. */
export interface MeterReading {
  shard: number;
  /** meter instant */
  now: number;
  generation: number;
  budgets: BudgetRow[];
  /** not ended */
  live: SessionRow[];
  unsettled: Unsettled[];
}

type Reader = Pick<Meter, 'pending' | 'shardSessions' | 'readBudgets'>;

/** Scripts read any budget of the shard, so those of many organizations go into one call. */
export async function readBudgets(
  meter: Reader,
  names: readonly BudgetName[],
  org: string,
): Promise<BudgetRow[] | null> {
  const rows: BudgetRow[] = [];
  for (let i = 0; i < names.length; i += NAMES_A_CALL) {
    const reply = await meter.readBudgets(org, names.slice(i, i + NAMES_A_CALL));
    if (reply.status === 'recover') return null;
    rows.push(...reply.budgets);
  }
  return rows;
}

/** Names of the budgets that what is open of the shard draws on. */
function openNames(live: readonly SessionRow[], unsettled: readonly Unsettled[]): BudgetName[] {
  const names = new Set<BudgetName>();
  const add = (org: string, user: string, period: number) => {
    names.add(organizationBudget(org, period));
    names.add(memberBudget(org, user, period));
  };
  for (const row of live) for (const mark of row.marks) add(row.org, row.user, mark.period);
  for (const it of unsettled) if (it.kind === 'minute') add(it.org, it.user, it.period);
  return [...names];
}

/**
 * Reads a shard: sessions, the unsettled set, the budgets they draw on, and those named. null: it has
 * to be recovered first, or more is unsettled than can be looked at.
 */
export async function readShard(
  meter: Reader,
  shard: number,
  named: readonly BudgetName[] = [],
): Promise<MeterReading | null> {
  const live = await meter.shardSessions(shard);
  if (live.status === 'recover') return null;
  const pending = await meter.pending(shard, { limit: MOST_UNSETTLED });
  if (pending.status === 'recover' || pending.items.length >= MOST_UNSETTLED) return null;
  const { now, generation, items } = pending;
  const names = [...new Set([...named, ...openNames(live.sessions, items)])];
  // Any organization of the shard says where the shard is.
  const org = names[0]?.split('|')[1];
  const budgets = org === undefined ? [] : await readBudgets(meter, names, org);
  if (budgets === null) return null;
  return { shard, now, generation, budgets, live: live.sessions, unsettled: items };
}

/** Those of the reading's budgets that nobody has written since: their figures fit all else read. */
export async function unmoved(meter: Reader, reading: MeterReading): Promise<BudgetRow[] | null> {
  const org = reading.budgets[0]?.name.split('|')[1];
  if (org === undefined) return [];
  const names = reading.budgets.map((row) => row.name);
  const again = await readBudgets(meter, names, org);
  if (again === null) return null;
  const sequences = new Map(again.map((row) => [row.name, row.seq]));
  return reading.budgets.filter((row) => sequences.get(row.name) === row.seq);
}
