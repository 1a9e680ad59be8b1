/**
 * What can be asked of the meter: one type a command, one a reply. README.md beside this file has
 * the rules. `meter.ts` answers from Redis (one Lua script a command), `model.ts` from memory, by
 * the same rules, for tests. Every duration is integer meter milliseconds, every instant an epoch
 * millisecond of meter time, unless the name says `real` or `wall`.
 */
import type { BudgetName } from './budget-name.ts';
import type { DayLimits, OpenAnswer, OpenCommand } from './open-command.ts';
import type { CountCommand, ExtendCommand, Extended, Places } from './places.ts';
import type {
  BudgetRow,
  Epoch,
  LedgerBase,
  Level,
  LimitMode,
  SessionRow,
  Witness,
} from './rows.ts';

/** `recover`: the shard is empty or of another server life; nothing was decided (rule 21). */
export type Recover = { status: 'recover' };
/** These budgets are not in the meter: seed them, ask again. Nothing was changed. */
export type Unseeded = { status: 'unseeded'; budgets: BudgetName[] };

export type OpenReply = Recover | Unseeded | OpenAnswer;

/** One session's word to the meter (rule 1: totals, never deltas). */
export interface BeatItem {
  org: string;
  session: string;
  epoch: Epoch;
  totalMs: number;
  /** how long ago the total was true, in meter ms */
  ageMs: number;
  state: 'recording' | 'paused' | 'detached';
}
export type BeatStatus = 'ok' | 'stopped' | 'ended' | 'superseded' | 'unknown' | 'recover';
export interface BeatReply {
  status: BeatStatus;
  totalMs: number;
  chargedMs: number;
  overshootMs: number;
  /** start of the period that is missing: charging waits at its boundary until it is seeded */
  missingPeriod: number | null;
  /** the boundary was reached but is not believed: clocks disagree (rule 20) */
  boundaryDoubted: boolean;
  /** start of the period the session draws on now */
  period: number;
}
export interface BeatsReply {
  /** of a cluster's servers, the one that is ahead; 0 where all wait for their recovery */
  now: number;
  /** null: its server of the cluster could not be asked, and the word is to be said again */
  items: (BeatReply | null)[];
  /** the budgets these beats drew on */
  budgets: BudgetRow[];
  /** fields of the unsettled set that are ready to settle, by shard */
  minutes: { shard: number; fields: string[] }[];
}

export interface CloseCommand {
  org: string;
  session: string;
  reason: string;
  /** the owner's last word, or the sweep's: ends it only if nothing has changed since (rule 17) */
  by:
    | { owner: Epoch; totalMs: number; ageMs: number }
    | { sweep: { totalMs: number; lastAnswerAt: number } };
  gatewayWallMs: number;
}
export type CloseReply =
  | Recover
  | { status: 'unknown' | 'superseded' | 'changed'; now: number }
  | { status: 'ended'; now: number; session: SessionRow; budgets: BudgetRow[]; minutes: string[] };

/** A stop may rest on a projection only by rule 6: stalled sessions leave, then T must still stand. */
export type DeadlineReply =
  | Recover
  | { status: 'unknown' }
  | { status: 'again' | 'stopped'; now: number; budget: BudgetRow };

/** Limits of a budget from Postgres, and what is settled of it, from one snapshot. */
export interface BudgetSeed {
  name: BudgetName;
  org: string;
  quotaMs: number | null;
  version: number;
  mode: LimitMode;
  /** null = no cap */
  overageCapMs: number | null;
  startsAt: number;
  endsAt: number | null;
  levels: Level[];
  /** versions at which levels were crossed before, from usage_alerts (rule 8) */
  crossed: number[];
  settled: SettledBudget;
}
export interface AccountSeed {
  org: string;
  grantedMs: number;
  version: number;
  suspended: boolean;
  drawn: SettledAccount;
}
/** Settled sums of a budget; applied only with the present generation and a higher sequence (rule 12). */
export interface SettledBudget {
  name: BudgetName;
  sequence: number;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
}
export interface SettledAccount {
  org: string;
  sequence: number;
  drawnMs: number;
}
export interface SeedCommand {
  org: string;
  generation: number;
  account: AccountSeed;
  budgets: BudgetSeed[];
}
export type SeedReply =
  | Recover
  | { status: 'staleGeneration' }
  | { status: 'ok'; now: number; budgets: BudgetRow[] };

/** A running period ends now, or had ended, or has only just begun: then `at` is its end, or its start. */
type Ended = { status: 'cut' | 'over' | 'fresh'; now: number; at: number };
export type CutReply = Recover | Unseeded | Ended;

/** One field of the unsettled set, with what the ledger needs to know of it. */
export type Unsettled =
  | {
      field: string;
      value: string;
      generation: number;
      kind: 'minute';
      session: string;
      org: string;
      user: string;
      startedAt: number;
      minute: number;
      period: number;
      ms: number;
    }
  | { field: string; value: string; generation: number; kind: 'session'; row: SessionRow }
  | {
      field: string;
      value: string;
      generation: number;
      kind: 'alert';
      budget: BudgetName;
      org: string;
      level: Level;
      version: number;
      at: number;
    };

export interface SettledCommand {
  shard: number;
  generation: number;
  removed: { field: string; value: string }[];
  budgets: SettledBudget[];
  accounts: SettledAccount[];
}
export type SettledReply =
  | Recover
  | { status: 'staleGeneration' }
  | { status: 'ok'; now: number; removed: number };

export interface AssertCommand {
  org: string;
  session: string;
  user: string;
  witness: Witness;
  base: LedgerBase | null;
  /** as in `open`: its own budget is made anew where it has none */
  sessionLimitMs: number | null;
  sessionLevels: Level[];
  gatewayWallMs: number;
}
export type AssertReply =
  | Recover
  | Unseeded
  | { status: 'unknown' }
  | {
      status: 'ok' | 'superseded' | 'ended';
      now: number;
      session: SessionRow;
      budgets: BudgetRow[];
      minutes: string[];
    };

export type CountReply = Recover | { status: 'staleGeneration' } | { status: 'ok'; now: number };
export type PlacesReply = Recover | Places;
export type ExtendReply = Recover | Unseeded | Extended;

/** meter time = meterBase + (TIME − realBase) · speed; frozen: meterBase, for tests. */
export interface MeterClock {
  meterBaseAt: number;
  realBaseAt: number;
  speed: number;
  frozen: boolean;
}
export interface ResetCommand {
  shard: number;
  runId: string;
  generation: number;
  clock: MeterClock;
}
export interface AdoptCommand {
  shard: number;
  generation: number;
  sessions: { session: string; org: string; user: string; base: LedgerBase }[];
}

/** One typed call a script. Throws only when Redis cannot be asked (`MeterUnreachable`). */
export interface Meter {
  open(command: OpenCommand): Promise<OpenReply>;
  beats(items: readonly BeatItem[], gatewayWallMs: number): Promise<BeatsReply>;
  close(command: CloseCommand): Promise<CloseReply>;
  deadline(org: string, budget: BudgetName): Promise<DeadlineReply>;
  seed(command: SeedCommand): Promise<SeedReply>;
  /** ends the running period that began at `period` (rule 19) */
  cut(org: string, period: number): Promise<CutReply>;
  /** an operator's stop: its owner is told by event and by the reply to its next beat */
  stop(org: string, session: string): Promise<Recover | { status: 'ok' | 'unknown' | 'ended' }>;
  count(command: CountCommand): Promise<CountReply>;
  /** whoever waits for a place gives its turn up */
  leave(org: string, user: string, session: string): Promise<Recover | { status: 'ok' }>;
  extend(command: ExtendCommand): Promise<ExtendReply>;
  /** up to `limit` fields of a shard's unsettled set, or those named, with their present values */
  pending(
    shard: number,
    ask: { limit: number } | { fields: string[] },
  ): Promise<Recover | { status: 'ok'; now: number; generation: number; items: Unsettled[] }>;
  settled(command: SettledCommand): Promise<SettledReply>;
  /** recovery (b): writes every open minute to the unsettled set; whatever run id or head it has */
  flush(shard: number): Promise<Unsettled[]>;
  /** recovery (d): drops the shard's counters, sets its head */
  reset(command: ResetCommand): Promise<void>;
  adopt(command: AdoptCommand): Promise<Recover | { status: 'staleGeneration' } | { status: 'ok' }>;
  /** recovery (d) is done: gateways may re-assert */
  announce(shard: number, generation: number): Promise<void>;
  assert(command: AssertCommand): Promise<AssertReply>;
  readBudgets(
    org: string,
    names: BudgetName[],
  ): Promise<Recover | { status: 'ok'; now: number; budgets: BudgetRow[] }>;
  readSession(
    org: string,
    session: string,
  ): Promise<Recover | { status: 'unknown' } | { status: 'ok'; now: number; session: SessionRow }>;
  /** not-ended sessions of an organization */
  liveSessions(
    org: string,
  ): Promise<Recover | { status: 'ok'; now: number; sessions: SessionRow[] }>;
  /** places and starts, of all and of one member */
  readPlaces(
    org: string,
    user: string,
    day: Pick<DayLimits, 'startsAt' | 'endsAt'>,
  ): Promise<PlacesReply>;
  /** not-ended sessions of a shard, for the sweep */
  shardSessions(
    shard: number,
  ): Promise<Recover | { status: 'ok'; now: number; sessions: SessionRow[] }>;
}
