import { setTimeout as sleep } from 'node:timers/promises';

/** Between two batches of work that nobody waits for: whoever records comes first. */
export interface Pace {
  pause(): Promise<void>;
}

/** Some time apart, never quite the same, so that several workers do not fall into step. */
export function createPace(options: {
  leastMs: number;
  jitterMs: number;
  /** in [0, 1) */
  random: () => number;
}): Pace {
  const { leastMs, jitterMs, random } = options;
  return {
    pause: () => sleep(leastMs + Math.floor(random() * jitterMs)),
  };
}
