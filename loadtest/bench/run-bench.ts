/** One run: every experiment that is wanted, each within its time, and the figures of all. */
import type { Bench, Experiment } from './bench.ts';
import { type Figure, notMeasured, type Outcome } from './outcome.ts';
import type { TargetId } from './targets.ts';

export interface RunOptions {
  isQuick: boolean;
  wanted: ReadonlySet<TargetId>;
  experiments: readonly Experiment[];
  bench: Omit<Bench, 'isQuick' | 'wanted' | 'msLeft' | 'onEnd'>;
}

/** Less than --help promises: ending and reporting takes some, too. */
const LIMIT_SECONDS = { quick: 285, full: 1_150 };
/** With less than this part of its time left, an experiment does not begin. */
const LEAST_SHARE = 0.4;
/** An experiment cuts itself short when its time is up; one that does not is cut off. */
const GRACE_MS = { quick: 8_000, full: 40_000 };

export interface Ran {
  name: string;
  seconds: number;
  outcome: Outcome;
}

export async function runBench(options: RunOptions): Promise<Ran[]> {
  const { isQuick, wanted, bench } = options;
  const startMs = performance.now();
  const pace = isQuick ? 'quick' : 'full';
  const waiting = options.experiments.filter((it) => it.targets.some((id) => wanted.has(id)));
  const ran: Ran[] = [];
  for (const [place, experiment] of waiting.entries()) {
    bench.check();
    const laterMs = waiting.slice(place + 1).reduce((sum, it) => sum + it.seconds[pace] * 1_000, 0);
    const untilMs = startMs + LIMIT_SECONDS[pace] * 1_000 - laterMs;
    const msLeft = () => untilMs - performance.now();
    const beganMs = performance.now();
    const given = { ...bench, isQuick, wanted, msLeft };
    const isTooLate = msLeft() < LEAST_SHARE * experiment.seconds[pace] * 1_000;
    const outcome = isTooLate
      ? nothing(experiment, wanted, 'no time was left for it')
      : await runOne(experiment, given, GRACE_MS[pace]);
    ran.push({ name: experiment.name, seconds: (performance.now() - beganMs) / 1_000, outcome });
  }
  return ran;
}

function nothing(experiment: Experiment, wanted: ReadonlySet<TargetId>, why: string): Outcome {
  const figures = experiment.targets
    .filter((id) => wanted.has(id))
    .map((target): Figure => notMeasured({ target, name: '', limit: null }, '×', why));
  return { figures, plots: [], tables: [], words: '' };
}

/** An experiment that fails leaves its targets unmeasured, and the others their turn. */
async function runOne(
  experiment: Experiment,
  given: Omit<Bench, 'onEnd'>,
  graceMs: number,
): Promise<Outcome> {
  const stops: (() => Promise<void>)[] = [];
  const bench: Bench = { ...given, onEnd: (stop) => void stops.push(stop) };
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const cutOff = () => reject(new Error('It took far longer than it may.'));
    timer = setTimeout(cutOff, bench.msLeft() + graceMs);
  });
  const running = experiment.run(bench);
  try {
    return await Promise.race([running, tooLong]);
  } catch (error) {
    bench.check();
    const words = error instanceof Error ? error.message : String(error);
    bench.say(`${experiment.name}: ${words}`);
    bench.incident(`${experiment.name}: ${error instanceof Error ? error.stack : words}`);
    return nothing(experiment, bench.wanted, words.split('\n')[0]!);
  } finally {
    clearTimeout(timer);
    for (let last = stops.pop(); last; last = stops.pop()) {
      await last().catch((error: unknown) => bench.incident(String(error)));
    }
    // What was cut off fails once its processes are gone.
    running.catch(() => {});
  }
}
