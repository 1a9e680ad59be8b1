/** Many spoiled conversations side by side, and what became of them. */
import { diceOf } from '../../../core/meter/schedule.ts';
import type { Pass } from './conversation.ts';
import { fuzzOne } from './fuzz-one.ts';
import { planOne, wantsPass } from './plan-one.ts';

const AT_ONCE = 64;
const MAX_FAULTS = 20;

export interface FuzzOptions {
  port: number;
  seed: number;
  /** so many at least */
  frames: number;
  /** the number of the first conversation; with `frames` 1, the only one */
  from: number;
  /** the transport ends broken connections without a close frame */
  mayCut: boolean;
  /** lets a conversation in, by a session of its own */
  pass(session: string): Promise<Pass>;
  progress?(frames: number): void;
  signal?: AbortSignal;
}

export interface FuzzTally {
  conversations: number;
  frames: number;
  /** how many ended how */
  ended: Record<string, number>;
  /** what did not hold, with the number of its conversation */
  faults: string[];
}

/** Of conversation `index` of a run: nothing else decides what is sent. */
export function seedOf(seed: number, index: number): number {
  return diceOf((seed ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0).below(2 ** 32);
}

export async function runFuzz(options: FuzzOptions): Promise<FuzzTally> {
  const { port, seed, mayCut, signal } = options;
  const tally: FuzzTally = { conversations: 0, frames: 0, ended: {}, faults: [] };
  let next = options.from;
  const goesOn = () =>
    tally.frames < options.frames && tally.faults.length < MAX_FAULTS && !signal?.aborted;

  async function runSome(): Promise<void> {
    while (goesOn()) {
      const index = next;
      next += 1;
      const own = seedOf(seed, index);
      const pass = wantsPass(own) ? await options.pass(`fuzz-${seed}-${index}`) : null;
      const plan = planOne(own, pass);
      tally.frames += plan.frames;
      const { ended, faults } = await fuzzOne(port, plan, mayCut).catch((error: unknown) => ({
        ended: 'unreachable',
        faults: [`it could not be reached: ${error}`],
      }));
      tally.conversations += 1;
      tally.ended[ended] = (tally.ended[ended] ?? 0) + 1;
      for (const fault of faults) tally.faults.push(`conversation ${index}: ${fault}`);
      options.progress?.(tally.frames);
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, options.frames) }, runSome));
  return tally;
}
