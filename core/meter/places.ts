/** Places and starts of an organization (rule 18), and a session's own longest length. */
import type { BudgetRow, Level, SessionRow } from './rows.ts';

/** What the ledger has of an organization's starts since an instant (rule 18). */
export interface CountCommand {
  org: string;
  /** as `uncounted` answered: what was read after it is whole */
  generation: number;
  since: number;
  starts: { user: string; session: string; startedAt: number }[];
}
export type Places = {
  status: 'ok';
  now: number;
  live: number;
  memberLive: number;
  waiting: number;
  /** whether `begun` is all of the day's starts */
  isCounted: boolean;
  begun: number;
  memberBegun: number;
};

/** A session's own longest length; null: none. A version that is not higher changes nothing. */
export interface ExtendCommand {
  org: string;
  session: string;
  limitMs: number | null;
  version: number;
  levels: Level[];
}
export type Extended =
  | { status: 'unknown' | 'ended' | 'stopped'; now: number }
  | { status: 'ok'; now: number; session: SessionRow; budgets: BudgetRow[]; minutes: string[] };
