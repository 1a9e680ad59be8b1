/** What a round of settling came to. */
export interface Settled {
  minutes: number;
  tookMs: number;
  cpuMs: { settler: number; redis: number; postgres: number };
}

export interface Settling {
  name: string;
  /** Makes a backlog, then measures how it is settled. */
  round(): Promise<Settled>;
  /** After all rounds: everything once, by its source. Throws with what is wrong. */
  audit(): Promise<void>;
}
