/**
 * What one simulated recorder knows by itself: what it did by its own clock, and what it was told.
 * Instants are on the machine's monotonic clock (machine-clock.ts). It is the witness that the audit
 * holds against meter and ledger, so nothing in it is taken from them.
 */
export interface Span {
  fromMs: number;
  toMs: number;
}

export interface Absence extends Span {
  /** of it, for so long it left of its own will; left out: it was cut off */
  leftMs?: number;
}

export interface WarningHeard {
  id: string;
  /** above 0: percent of the plan; below: ms left */
  level: number;
  scope: string;
  atMs: number;
  /** `started`: it held already when the recorder came, or came back */
  by: 'warning' | 'started';
  /** of the connection on which it came */
  gateway: string;
}

export interface StopHeard {
  reason: string;
  binding: string | null;
  atMs: number;
  gateway: string;
}

export interface EndHeard {
  reason: string;
  recordedMs: number;
  overshootMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
}

/** A message: when, its type, the session's time it told, the gateway it came from. */
export type Heard = readonly [atMs: number, type: string, sessionMs: number, gateway: string];

export interface RecorderLog {
  org: string;
  user: string;
  session: string;
  /** its own stopwatch: when it recorded */
  recording: Span[];
  /** when it had no connection although it was live */
  away: Absence[];
  /**
   * Time that it cannot know whether it counts: gaps about as long as the longest that does, and what
   * passed before an answer said that a pause or a stop had been heard.
   */
  unsureMs: number;
  /** it left without a word, as a closed lid does */
  hasVanished: boolean;
  /** how often `started` was heard */
  connections: number;
  /** from joining, ticket included, to the first `started`; null: never let in */
  joinMs: number | null;
  ticks: number;
  /** the last that it was told of itself: charged + overshoot; null: it was told nothing */
  acknowledgedMs: number | null;
  ended: EndHeard | null;
  warnings: WarningHeard[];
  stop: StopHeard | null;
  /** why it was not let in */
  refused: string | null;
  /** the client's last phase: `ended` for all that went well */
  phase: string;
  /** what was said to it that the protocol rules out */
  complaints: string[];
  /** what it was told, in order, where that is asked for */
  heard?: Heard[];
}

export function recordedMs(log: Pick<RecorderLog, 'recording'>): number {
  return log.recording.reduce((sum, { fromMs, toMs }) => sum + (toMs - fromMs), 0);
}
