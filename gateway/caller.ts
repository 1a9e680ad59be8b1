/** Who knocks: a socket that wants a session. */

/** What is known of who knocks beside the message. */
export interface Caller {
  /** a ticket that came before the message */
  ticket: string | undefined;
  origin: string | null;
  isAwaited(): boolean;
  /** It waits for a place: its position, 1 being next. */
  queued(position: number, retryAfterMs: number): void;
  /** Whoever waited gave it up, and was not merely lost. */
  hasGivenUp(): boolean;
  /** Counts it for its member and organization; a sentence where that is one too many. */
  takeSeat(org: string, user: string): Promise<string | null>;
}

/** There are too many connections: nothing is wrong with this one, and it may come again. */
export interface Crowded {
  crowded: string;
}
