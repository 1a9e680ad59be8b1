/** One run: every experiment that is wanted, each within its time, and the figures of all. */
import type { Bench, Experiment } from './bench.ts';
import { type Figure, notMeasured, type Outcome } from './outcome.ts';
import type { TargetId } from './targets.ts';

export interface RunOptions {
  isQuick: boolean;
  wanted: ReadonlySet<TargetId>;
  experiments: readonly Experiment[];
  /** no experiment knows of these two; they are given it by the run */
  bench: Omit<Bench, 'isQuick' | 'wanted' | 'msLeft'>;
}

/** What may be used beyond the sum of what each was given; the promise of --help. */
const LIMIT_SECONDS = { quick: 300, full: 1_200 };

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
    const outcome = await runOne(experiment, { ...bench, isQuick, wanted, msLeft });
    ran.push({ name: experiment.name, seconds: (performance.now() - beganMs) / 1_000, outcome });
  }
  return ran;
}

/** An experiment that fails leaves its targets unmeasured, and the others their turn. */
async function runOne(experiment: Experiment, bench: Bench): Promise<Outcome> {
  const wanted = experiment.targets.filter((id) => bench.wanted.has(id));
  try {
    return await experiment.run(bench);
  } catch (error) {
    bench.check();
    const [sentence] = String(error instanceof Error ? error.message : error).split('\n');
    bench.incident(`${experiment.name}: ${error instanceof Error ? error.stack : error}`);
    const figures = wanted.map(
      (target): Figure => notMeasured({ target, name: '', limit: null }, '×', sentence!),
    );
    return { figures, plots: [], tables: [], words: '' };
  }
}
