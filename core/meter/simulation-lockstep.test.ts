/** The scripts in Redis and the model in memory, side by side: many short schedules. */
import { afterAll, beforeAll, inject, it } from 'vitest';
import type { Step } from './schedule.ts';
import { schedule, shrink } from './schedule.ts';
import { createDriver, lookAround } from './test-driver.ts';
import { lockstep } from './test-lockstep.ts';
import type { Outcome } from './test-replay.ts';
import { runSteps } from './test-replay.ts';
import { count, simulate } from './test-simulation.ts';
import type { Subject } from './test-subject.ts';
import { modelSubject, redisSubject } from './test-subject.ts';

const lengthOf = (seed: number) => 20 + (seed % 41);

let redis: Subject;
beforeAll(async () => {
  redis = await redisSubject(inject('redisUrl'));
});
afterAll(() => redis.stop());

async function run(steps: Step[]): Promise<Outcome> {
  // What a schedule that failed left untold is not of this one.
  await redis.takeEvents();
  const both = lockstep(await modelSubject(), redis);
  let step = 0;
  return runSteps(
    steps,
    both.log,
    () => createDriver(both),
    async (driver) => {
      step += 1;
      await both.takeEvents();
      if (step === steps.length) await lookAround(driver);
    },
  );
}

it('scripts and model agree on short schedules', { timeout: 86_400_000 }, () =>
  simulate({
    ...{ name: 'lockstep', schedules: 20, patienceMs: 3_000 },
    async run(seed, coverage) {
      const steps = schedule(seed, lengthOf(seed));
      const { error, commands } = await run(steps);
      count(coverage, 'commands compared', commands);
      return { steps: steps.length, problems: error === null ? [] : [String(error.stack)] };
    },
    async shrink(seed) {
      const least = await shrink(
        schedule(seed, lengthOf(seed)),
        async (fewer) => (await run(fewer)).error !== null,
      );
      const { error, log } = await run(least);
      return [`In ${least.length} steps: ${error?.message}`, ...log];
    },
  }),
);
