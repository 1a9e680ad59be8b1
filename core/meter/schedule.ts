/**
 * Random schedules from a seed. A step carries only its kind and a seed of its own, from which
 * whoever runs it draws everything else: so any part of a schedule is a schedule again, and a
 * failing one can be cut down to the few steps that matter.
 */

/** How often each kind of step comes, relative to the others. */
const WEIGHTS = {
  advance: 24,
  beats: 40,
  open: 14,
  close: 5,
  sweep: 3,
  toDeadline: 10,
  toBoundary: 4,
  deadline: 4,
  limits: 9,
  grant: 4,
  settle: 8,
  stop: 1,
  clockJump: 2,
  speed: 1,
  recover: 1,
  assert: 3,
  otherLife: 1,
  cut: 2,
  leave: 1,
  extend: 2,
} as const;

export type StepKind = keyof typeof WEIGHTS;
export interface Step {
  kind: StepKind;
  seed: number;
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export type Random = () => number;
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Dice {
  /** true with this probability */
  chance(probability: number): boolean;
  /** an integer from 0 up to, without, `end` */
  below(end: number): number;
  pick<T>(choices: readonly T[]): T;
  /** a duration that likes the edges of rules: seconds, the proof window, minutes, and one off */
  ms(): number;
}
const EDGES_MS = [0, 1, 500, 999, 1_000, 1_999, 2_000, 2_001, 5_000, 19_999, 20_000, 20_001];

export function diceOf(seed: number): Dice {
  const random = randomOf(seed);
  const below = (end: number) => Math.floor(random() * end);
  const pick = <T>(choices: readonly T[]): T => {
    if (choices.length === 0) throw new RangeError('Nothing to pick from');
    return choices[below(choices.length)] as T;
  };
  return {
    chance: (probability) => random() < probability,
    below,
    pick,
    ms: () => (random() < 0.6 ? pick(EDGES_MS) : below(70_000)),
  };
}

export function schedule(seed: number, length: number): Step[] {
  const random = randomOf(seed);
  const kinds = Object.keys(WEIGHTS) as StepKind[];
  const total = kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
  return Array.from({ length }, () => {
    let rest = random() * total;
    const kind = kinds.find((candidate) => {
      rest -= WEIGHTS[candidate];
      return rest < 0;
    });
    return { kind: kind ?? 'advance', seed: Math.floor(random() * 2 ** 32) };
  });
}

/** The fewest steps, as far as leaving out runs of them finds, that still fail. */
export async function shrink<AnyStep>(
  steps: AnyStep[],
  fails: (steps: AnyStep[]) => Promise<boolean>,
): Promise<AnyStep[]> {
  let least = steps;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let from = 0; from < least.length; ) {
      const fewer = [...least.slice(0, from), ...least.slice(from + size)];
      if (fewer.length < least.length && (await fails(fewer))) least = fewer;
      else from += size;
    }
  }
  return least;
}
