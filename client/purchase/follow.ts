/**
 * Follows a purchase until it is decided. Mostly the meter is quicker to tell (`nudge`) than the
 * next look would be; without it a look comes soon at first, and then less and less often.
 */
import type { Clock } from '../clock.ts';
import type { Purchase } from './shapes.ts';

export const FIRST_LOOK_MS = 700;
export const LONGEST_LOOK_MS = 15_000;
/** A look may take twice as long as the last to come. */
const GROWTH = 1.5;
/** A bank may take days; nobody waits at the page for that. */
export const FOLLOWED_MS = 30 * 60_000;

export interface FollowOptions {
  clock: Clock;
  ask(): Promise<Purchase>;
  /** With each answer. Returns whether that is all. */
  hear(purchase: Purchase): boolean;
  /** Nothing was decided within `FOLLOWED_MS`. */
  givenUp(): void;
}

export class Following {
  readonly #options: FollowOptions;
  readonly #sinceMs: number;
  #delayMs = FIRST_LOOK_MS;
  #cancelWait: () => void;
  #isOver = false;
  #isAsking = false;
  #askAgain = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.nowMs();
    this.#cancelWait = options.clock.after(FIRST_LOOK_MS, () => void this.#look());
  }

  /** Something happened that may be it: look now, and soon again. */
  nudge(): void {
    if (this.#isOver) return;
    this.#delayMs = FIRST_LOOK_MS;
    if (this.#isAsking) this.#askAgain = true;
    else void this.#look();
  }

  stop(): void {
    this.#isOver = true;
    this.#cancelWait();
  }

  async #look(): Promise<void> {
    const { ask, hear, clock, givenUp } = this.#options;
    this.#cancelWait();
    this.#isAsking = true;
    this.#askAgain = false;
    // What could not be asked is asked again: the payment goes on without us.
    const purchase = await ask().catch(() => null);
    this.#isAsking = false;
    if (this.#isOver) return;
    if (purchase !== null && hear(purchase)) {
      this.stop();
    } else if (this.#askAgain) {
      void this.#look();
    } else if (clock.nowMs() - this.#sinceMs >= FOLLOWED_MS) {
      this.stop();
      givenUp();
    } else {
      this.#cancelWait = clock.after(this.#delayMs, () => void this.#look());
      this.#delayMs = Math.min(LONGEST_LOOK_MS, this.#delayMs * GROWTH);
    }
  }
}
