/** What every experiment is given, and what it comes to. */

import type { Outcome } from './outcome.ts';
import type { Pinning } from './stand/pin.ts';
import type { TargetId } from './targets.ts';

export interface Bench {
  isQuick: boolean;
  /** targets that were asked for */
  wanted: ReadonlySet<TargetId>;
  pinning: Pinning;
  /** for the processes it starts */
  baseEnv: NodeJS.ProcessEnv;
  dataDir: string;
  say(line: string): void;
  /** something ended or failed that should not: it is told with the result */
  incident(sentence: string): void;
  /** Throws once the run was given up. */
  check(): void;
  /** until this experiment must have come to its end */
  msLeft(): number;
  /** Called when the experiment is over, or has taken far too long: ends what it started. */
  onEnd(stop: () => Promise<void>): void;
}

export interface Experiment {
  name: string;
  targets: readonly TargetId[];
  /** what it may take, in seconds */
  seconds: { quick: number; full: number };
  run(bench: Bench): Promise<Outcome>;
}
