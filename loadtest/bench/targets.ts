/** What this product promises of its speed: the table of the design, P1 to P9, with its figures. */
export const TARGETS = {
  P1: 'gateway CPU a beat ÷ raw ws echo',
  P1u: 'the same on uWebSockets.js',
  P2: 'Redis CPU a beat ÷ one unpipelined INCR',
  P3: 'CPU of all processes a beat',
  P4: 'stop at the client after the true limit, p99',
  P5: 'memory a live session ÷ an idle ws connection',
  P6: 'settling, to a job per minute',
  P7: 'exactness',
  P8: 'gateway CPU a beat ÷ with 2,000 sessions',
  P9: 'latency added by metering, p50',
} as const;

export type TargetId = keyof typeof TARGETS;
export const TARGET_IDS = Object.keys(TARGETS) as TargetId[];
