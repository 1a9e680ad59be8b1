/** Runs a schedule, and cuts one that fails down to the few steps that matter. */
import type { Step } from './schedule.ts';
import { schedule, shrink } from './schedule.ts';
import type { Driver } from './test-stage.ts';

export interface Outcome {
  /** commands that were asked, without those that only look */
  commands: number;
  error: Error | null;
  /** what was asked and answered, in order */
  log: string[];
}

/** `log` is kept short while it runs: only the end of a long schedule is told. */
const MAX_LOG_LINES = 2_000;
const LOOKS = /^(pending|shardSessions|readBudgets|readSession)\(/;

export async function runSteps(
  steps: Step[],
  log: string[],
  begin: () => Promise<Driver>,
  after: (driver: Driver) => Promise<void>,
): Promise<Outcome> {
  let commands = 0;
  try {
    const driver = await begin();
    for (const step of steps) {
      log.splice(0, Math.max(0, log.length - MAX_LOG_LINES));
      log.push(`# ${step.kind} ${step.seed}`);
      const from = log.length;
      await driver.run(step);
      commands += log.slice(from).filter((line) => /^\w/.test(line) && !LOOKS.test(line)).length;
      await after(driver);
    }
    return { commands, error: null, log };
  } catch (error) {
    return { commands, error: error as Error, log };
  }
}

/** The report of a failure: the fewest steps, what was asked in them, and how to see it again. */
export async function report(
  file: string,
  seed: number,
  length: number,
  run: (steps: Step[]) => Promise<Outcome>,
): Promise<string> {
  const steps = schedule(seed, length);
  const first = (await run(steps)).error;
  const fails = async (fewer: Step[]) => (await run(fewer)).error?.name === first?.name;
  const least = await shrink(steps, fails);
  const { error, log } = await run(least);
  const told = log.filter((line, i) => !LOOKS.test(line) && !LOOKS.test(log[i - 1] ?? ''));
  return [
    `Seed ${seed}, ${least.length} of ${length} steps: ${error?.name}: ${error?.message}`,
    ...told,
    `Again: SEED=${seed} npx vitest run core/meter/${file}`,
  ].join('\n');
}
