/** Going through all organizations a slice a tick, and how long that takes. */
export interface CheckRound {
  /** The next slice; after the last one it begins anew. */
  take(
    next: (after: string) => Promise<{ orgs: string[]; after: string | null }>,
  ): Promise<string[]>;
  /** What was taken has been looked at. */
  done(): void;
  /** of the last whole round; null: none is done yet */
  lastMs(): number | null;
}

export function createCheckRound(monotonicMs: () => number): CheckRound {
  let after = '';
  let upcoming: string | null = '';
  let beganAt = monotonicMs();
  let lastMs: number | null = null;
  return {
    async take(next) {
      const slice = await next(after);
      upcoming = slice.after;
      return slice.orgs;
    },
    done() {
      after = upcoming ?? '';
      if (upcoming !== null) return;
      lastMs = monotonicMs() - beganAt;
      beganAt = monotonicMs();
    },
    lastMs: () => lastMs,
  };
}
