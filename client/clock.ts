/** Time as the client sees it: an argument, so that tests and load runs can bring their own. */
export interface Clock {
  /** Monotonic, milliseconds, with a fraction. What durations are measured by. */
  nowMs(): number;
  /** The clock on the wall, epoch milliseconds. Only to say how old something kept is. */
  wallAt(): number;
  /** Runs once after `ms` of real time, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallAt: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
