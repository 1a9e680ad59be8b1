/**
 * The scripts in Redis and the model in memory, on the same random commands: every reply, every
 * event, and after each step all that the shards show must agree. A failure prints its seed and
 * the fewest steps that still fail; `SEED=<n>` runs that one schedule alone.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Step } from './schedule.ts';
import { schedule } from './schedule.ts';
import { createDriver, lookAround } from './test-driver.ts';
import { Disagreement, lockstep } from './test-lockstep.ts';
import type { Outcome } from './test-replay.ts';
import { report, runSteps } from './test-replay.ts';
import type { Driver } from './test-stage.ts';
import type { Subject } from './test-subject.ts';
import { modelSubject, redisSubject } from './test-subject.ts';

const STEPS = 150;
/** All that the shards show is read after every so many steps; events are compared after each. */
const LOOK_EVERY = 3;

/**
 * On a slow machine the suite stops looking for more after `patienceMs`, but never before
 * `commands`. A cluster runs the same scripts: few schedules try how calls are parted and joined.
 */
const PLACES = [
  { where: 'one Redis', url: 'redisUrl', schedules: 60, commands: 2_000, patienceMs: 30_000 },
  { where: 'a cluster', url: 'clusterUrl', schedules: 12, commands: 500, patienceMs: 8_000 },
] as const;

describe.each(PLACES)('on $where', ({ url, schedules, commands: fewest, patienceMs }) => {
  let redis: Subject;
  beforeAll(async () => {
    redis = await redisSubject(inject(url));
  });
  afterAll(() => redis.stop());

  async function runBoth(steps: Step[]): Promise<Outcome> {
    // What a schedule that failed left untold is not of this one.
    await redis.takeEvents();
    const both = lockstep(await modelSubject(), redis);
    let step = 0;
    const after = async (driver: Driver) => {
      step += 1;
      await both.takeEvents();
      if (step % LOOK_EVERY === 0 || step === steps.length) await lookAround(driver);
    };
    return runSteps(steps, both.log, () => createDriver(both), after);
  }

  it('script and model agree on the same random commands', { timeout: 300_000 }, async () => {
    const only = process.env.SEED;
    const startedMs = performance.now();
    let commands = 0;
    for (let i = 0; i < (only === undefined ? schedules : 1); i++) {
      const seed = only === undefined ? i + 1 : Number(only);
      const outcome = await runBoth(schedule(seed, STEPS));
      commands += outcome.commands;
      if (outcome.error !== null) {
        expect.fail(await report('equivalence.test.ts', seed, STEPS, runBoth));
      }
      if (commands > fewest && performance.now() - startedMs > patienceMs) break;
    }
    if (only === undefined) expect(commands).toBeGreaterThan(fewest);
  });
});

it('a disagreement would be seen', async () => {
  const other = await modelSubject();
  other.meter.deadline = async () => ({ status: 'unknown' });
  const driver = await createDriver(lockstep(await modelSubject(), other));
  await expect(async () => {
    for (const step of schedule(1, 60)) await driver.run(step);
  }).rejects.toThrow(Disagreement);
});
