/** What meter and ledger say after a run, as the audit reads it. Milliseconds of meter time. */
export interface LedgerMinute {
  minute: number;
  /** start of its period, epoch ms */
  period: number;
  ms: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
}

export interface LedgerSession {
  org: string;
  session: string;
  state: 'live' | 'ended' | 'closed';
  recordedMs: number;
  overshootMs: number;
  settledMs: number;
  minutes: LedgerMinute[];
}

export interface LedgerPeriod {
  org: string;
  period: number;
  /** null: unlimited */
  quotaMs: number | null;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  /** sum of its members' rows in the monthly cache */
  cachedMs: number;
}

/** A session that the meter still held after its end. */
export interface MeterSession {
  org: string;
  session: string;
  totalMs: number;
  chargedMs: number;
  overshootMs: number;
}

export interface MeterBudget {
  org: string;
  period: number;
  usedMs: number;
  quotaMs: number | null;
  /** sessions that it believes to be recording */
  burnRate: number;
}

export interface Books {
  ledgerSessions: LedgerSession[];
  ledgerPeriods: LedgerPeriod[];
  meterSessions: MeterSession[];
  meterBudgets: MeterBudget[];
}
