/** `open`: what is asked of the meter before a session starts or goes on, and what it decides. */
import type { BudgetName } from './budget-name.ts';
import type {
  BudgetRow,
  LedgerBase,
  Level,
  LimitedBy,
  SessionRow,
  Untold,
  Witness,
} from './rows.ts';

export interface OpenCommand {
  session: string;
  org: string;
  user: string;
  /** start of the period in which a new session begins */
  period: number;
  /** `new`: unknown to Redis and Postgres is a new session. `resume`: it must be known. */
  kind: 'new' | 'resume';
  base: LedgerBase | null;
  witness: Witness | null;
  /** of the same checkpoint; left out as null */
  untold?: Untold | null;
  /** the checkpoint authenticates: its counter must not be older than the session's */
  authenticates: boolean;
  /** the total this gateway's own stopwatch proves now; null on another gateway: the gap counts */
  memoryMs: number | null;
  /** meter ms since that was so; left out as 0 */
  memoryAgeMs?: number;
  /** of a trusted recorder what it captured, in meter ms: no more counts (rule 3); left out as null */
  capturedMs?: number | null;
  /** a gap between two proofs counts whole up to this (rule 2), in meter ms */
  countedGapMs: number;
  concurrentSessions: number | null;
  /** its own longest length, and the levels at which to warn of it */
  sessionLimitMs: number | null;
  sessionLevels: Level[];
  plannedMs: number | null;
  /** the member's own; these and those below: left out as null */
  memberConcurrentSessions?: number | null;
  day?: DayLimits | null;
  queue?: QueueAsk | null;
  /** the counts above are decided and refuse nothing (budgets know their mode themselves) */
  isShadow?: boolean;
  gatewayWallMs: number;
}
/** Sessions a day, by the local day of the organization's zone (rule 18). */
export interface DayLimits {
  startsAt: number;
  endsAt: number;
  sessions: number | null;
  memberSessions: number | null;
}
/** Whoever finds the organization's places taken waits its turn. */
export interface QueueAsk {
  /** how many may wait */
  max: number;
  /** a wait lapses so long after it was last asked for, in meter ms */
  leaseMs: number;
  /** what was answered before: it is kept should the meter have lost it; null: comes just now */
  turn: number | null;
}
/** What `open` decided. */
export type OpenAnswer =
  | {
      status: 'opened';
      now: number;
      session: SessionRow;
      budgets: BudgetRow[];
      minutes: string[];
      /** what a plan that enforces would have refused it for */
      shadowed: '' | 'concurrencyLimit' | 'dayLimit';
    }
  | {
      status: 'resumed';
      now: number;
      session: SessionRow;
      budgets: BudgetRow[];
      minutes: string[];
    }
  | { status: 'limitReached' | 'plannedTooLong'; now: number; by: BudgetName; budgets: BudgetRow[] }
  | { status: 'concurrencyLimit'; now: number; live: number; by: LimitedBy; budgets: BudgetRow[] }
  | { status: 'dayLimit'; now: number; used: number; by: LimitedBy; budgets: BudgetRow[] }
  /** `ahead`: so many wait before it */
  | { status: 'queued'; now: number; ahead: number; turn: number; budgets: BudgetRow[] }
  /** its day is another one, or is to be counted first (`count`); then ask again */
  | { status: 'uncounted'; now: number; generation: number }
  | {
      status: 'organizationSuspended' | 'checkpointInvalid';
      now: number;
      budgets: BudgetRow[];
      minutes: string[];
    }
  | { status: 'ended'; now: number; session: SessionRow; budgets: BudgetRow[]; minutes: string[] }
  /** `foreign`: it is another member's; nothing was changed */
  | { status: 'foreign'; now: number }
  | { status: 'unknown'; now: number };
