/**
 * What one shard of the model remembers. Plain data: every rule that changes it has its own file
 * beside this one, so that a reader can hold a rule of ../README.md against one page of code.
 */
import type { BudgetName } from '../budget-name.ts';
import type { MeterClock, SettledBudget } from '../commands.ts';
import type { Epoch, Level, LimitMode, PeriodMark, SessionState, StopReason } from '../rows.ts';

export interface ModelBudget {
  name: BudgetName;
  org: string;
  scope: 'organization' | 'member' | 'session';
  seq: number;
  quotaMs: number | null;
  /** of the quota alone; a grant's version is the account's */
  version: number;
  mode: LimitMode;
  overageCapMs: number | null;
  startsAt: number;
  endsAt: number | null;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  /** n and s of rule 6 */
  burnRate: number;
  frontierSumMs: number;
  /** the unproven pair: sessions it stopped that have not answered since */
  unprovenCount: number;
  unprovenSumMs: number;
  stops: number;
  stoppedAt: number;
  /** when it last stopped, whatever has cleared the stop since */
  lastStopAt: number;
  stopReason: StopReason;
  levels: Level[];
  crossed: number[];
  settled: Omit<SettledBudget, 'name'>;
}

export interface ModelAccount {
  org: string;
  grantedMs: number;
  version: number;
  suspended: boolean;
  drawnMs: number;
  settled: { sequence: number; drawnMs: number };
}

export interface ModelSession {
  session: string;
  org: string;
  user: string;
  epoch: Epoch;
  state: SessionState;
  /** what it did when it detached, '' if nobody knows: a gap up to its return may count (rule 2) */
  detachedFrom: 'recording' | 'paused' | '';
  totalMs: number;
  chargedMs: number;
  overshootMs: number;
  chargedUpTo: number;
  lastAnswerAt: number;
  startedAt: number;
  endedAt: number;
  reason: string;
  stoppedBy: string;
  /** budgets that have stopped it; its first word after that notes one of them in stoppedBy */
  stoppedIn: Set<BudgetName>;
  period: number;
  marks: PeriodMark[];
  bySource: { planMs: number; extraMs: number; overageMs: number };
  /** where it stands in the pairs of each budget; absent: in neither */
  places: Map<BudgetName, 'counted' | 'unproven'>;
  /** charged time when the open minute was last written (rule 10) */
  writtenMs: number;
  revision: number;
}

/** Rule 18: `user|session` of an organization's starts by their instants. */
export interface Starts {
  /** from when on all are there; null: they are noted, and the earlier ones still to come */
  since: number | null;
  at: Map<string, number>;
}

export interface Waiter {
  turn: number;
  /** its wait lapses then, unless it is spoken for */
  until: number;
}

export interface ModelHead {
  runId: string;
  generation: number;
  clock: MeterClock;
}

export interface ModelShard {
  number: number;
  head: ModelHead | null;
  accounts: Map<string, ModelAccount>;
  budgets: Map<BudgetName, ModelBudget>;
  /** by `org|session`: organizations choose ids without asking each other */
  sessions: Map<string, ModelSession>;
  /** the unsettled set: field to value */
  unsettled: Map<string, string>;
  starts: Map<string, Starts>;
  /** by organization, then by `user|session` */
  waiting: Map<string, Map<string, Waiter>>;
}

export function emptyShard(number: number): ModelShard {
  return {
    number,
    head: null,
    accounts: new Map(),
    budgets: new Map(),
    sessions: new Map(),
    unsettled: new Map(),
    starts: new Map(),
    waiting: new Map(),
  };
}

export function sessionKey(of: { org: string; session: string }): string {
  return `${of.org}|${of.session}`;
}

/** Organization budgets of one organization, the older period first (rule 12). */
export function organizationBudgets(shard: ModelShard, org: string): ModelBudget[] {
  return [...shard.budgets.values()]
    .filter((budget) => budget.scope === 'organization' && budget.org === org)
    .sort((a, b) => a.startsAt - b.startsAt);
}
