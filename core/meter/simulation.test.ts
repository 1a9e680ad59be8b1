/** The meter's rules on a virtual clock, against the oracle's own sums: many short schedules. */
import { it } from 'vitest';
import type { Meter } from './commands.ts';
import { schedule, shrink } from './schedule.ts';
import { createDriver } from './test-driver.ts';
import { watch } from './test-oracle.ts';
import { checkRecords } from './test-records.ts';
import type { Outcome } from './test-replay.ts';
import { runSteps } from './test-replay.ts';
import { type Coverage, count, simulate } from './test-simulation.ts';
import type { Driver } from './test-stage.ts';
import { modelSubject, type Subject } from './test-subject.ts';

const lengthOf = (seed: number) => 20 + (seed % 41);

/** Counts what each command was answered. */
function counted(subject: Subject, coverage: Coverage): Subject {
  const meter = new Proxy({} as Meter, {
    get: (_target, name: keyof Meter) => {
      return async (...args: unknown[]) => {
        const ask = subject.meter[name] as (...args: unknown[]) => Promise<unknown>;
        const reply = await ask.apply(subject.meter, args);
        const { status, items } = Object(reply) as { status?: string; items?: unknown[] };
        if (name === 'beats') {
          for (const item of items as { status: string }[]) count(coverage, `beat ${item.status}`);
        } else if (!/^(read|live|shard|pending)/.test(name)) {
          count(coverage, status === undefined ? name : `${name} ${status}`);
        }
        return reply;
      };
    },
  });
  return { ...subject, meter };
}

async function run(steps: ReturnType<typeof schedule>, coverage: Coverage): Promise<Outcome> {
  const subject = watch(counted(await modelSubject(), coverage));
  let driver: Driver | undefined;
  const begin = async () => {
    driver = await createDriver(subject);
    subject.driver = driver;
    return driver;
  };
  const outcome = await runSteps(steps, subject.log, begin, async () => {});
  if (outcome.error !== null || driver === undefined) return outcome;
  try {
    await checkRecords(driver);
  } catch (error) {
    return { ...outcome, error: error as Error };
  }
  return outcome;
}

it('no short schedule breaks an invariant of the meter', { timeout: 86_400_000 }, () =>
  simulate({
    ...{ name: 'meter', schedules: 1_000, patienceMs: 8_000 },
    async run(seed, coverage) {
      const steps = schedule(seed, lengthOf(seed));
      const { error } = await run(steps, coverage);
      return { steps: steps.length, problems: error === null ? [] : [String(error.stack)] };
    },
    async shrink(seed) {
      const least = await shrink(
        schedule(seed, lengthOf(seed)),
        async (fewer) => (await run(fewer, {})).error !== null,
      );
      const { error, log } = await run(least, {});
      return [`In ${least.length} steps: ${error?.message}`, ...log];
    },
  }),
);
