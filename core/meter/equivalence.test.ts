/**
 * The scripts in Redis and the model in memory, on the same random commands: every reply, every
 * event, and after each step all that a shard shows must agree to the last field. A failure prints
 * its seed and the fewest steps that still fail; `SEED=<n>` runs that one schedule alone.
 */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Step } from './schedule.ts';
import { schedule, shrink } from './schedule.ts';
import type { Driver } from './test-driver.ts';
import { createDriver, ORGS, SHARDS_USED } from './test-driver.ts';
import type { Lockstep } from './test-lockstep.ts';
import { Disagreement, lockstep } from './test-lockstep.ts';
import type { Subject } from './test-subject.ts';
import { modelSubject, redisSubject } from './test-subject.ts';

const STEPS = 150;
const SCHEDULES = 40;
/** The suite stops looking for more after this, on a slow machine. */
const PATIENCE_MS = 30_000;

let redis: Subject;
beforeAll(async () => {
  redis = await redisSubject(inject('redisUrl'));
});
afterAll(() => redis.stop());

/** All that the shards in use show, asked of both: hidden differences show within a few steps. */
async function lookAround(driver: Driver, both: Lockstep): Promise<void> {
  for (const shard of SHARDS_USED) {
    await both.meter.pending(shard, { limit: 10_000 });
    await both.meter.shardSessions(shard);
  }
  const own = [...driver.everyone].map((one) => ({
    org: one.org,
    name: `s|${one.org}|${one.session}`,
  }));
  for (const org of ORGS) {
    const names = [...driver.ledger.limits.values()].filter((limit) => limit.org === org);
    const ownNames = own.filter((one) => one.org === org).map((one) => one.name);
    await both.meter.readBudgets(org, [...names.map((limit) => limit.name), ...ownNames]);
  }
}

async function runBoth(
  steps: Step[],
): Promise<{ commands: number; error: Error | null; log: string[] }> {
  // What a schedule that failed left untold is not of this one.
  await redis.takeEvents();
  const both = lockstep(await modelSubject(), redis);
  let commands = 0;
  try {
    const driver = await createDriver(both);
    for (const step of steps) {
      both.log.splice(0, Math.max(0, both.log.length - 2_000));
      both.log.push(`# ${step.kind} ${step.seed}`);
      const before = both.log.length;
      await driver.run(step);
      commands += Math.ceil((both.log.length - before) / 2);
      await both.takeEvents();
      await lookAround(driver, both);
    }
    return { commands, error: null, log: both.log };
  } catch (error) {
    return { commands, error: error as Error, log: both.log };
  }
}

async function report(seed: number, steps: Step[]): Promise<string> {
  const fails = async (fewer: Step[]) => (await runBoth(fewer)).error !== null;
  const least = await shrink(steps, fails);
  const { error, log } = await runBoth(least);
  const looks = /^(pending|shardSessions|readBudgets|setClock)/;
  const told = log.filter((line, i) => !looks.test(line) && !looks.test(log[i - 1] ?? ''));
  return [
    `Seed ${seed}, ${least.length} of ${steps.length} steps: ${error?.name}: ${error?.message}`,
    ...told,
    `Again: SEED=${seed} npx vitest run core/meter/equivalence.test.ts`,
  ].join('\n');
}

it('script and model agree on the same random commands', { timeout: 300_000 }, async () => {
  const only = process.env.SEED;
  const seeds =
    only === undefined ? Array.from({ length: SCHEDULES }, (_, i) => i + 1) : [Number(only)];
  const startedMs = performance.now();
  let commands = 0;
  for (const seed of seeds) {
    const steps = schedule(seed, STEPS);
    const result = await runBoth(steps);
    if (result.error !== null) expect.fail(await report(seed, steps));
    commands += result.commands;
    if (performance.now() - startedMs > PATIENCE_MS) break;
  }
  expect(commands).toBeGreaterThan(only === undefined ? 2_000 : 0);
});

it('a disagreement would be seen', async () => {
  const other = await modelSubject();
  other.meter.deadline = async () => ({ status: 'unknown' });
  const driver = await createDriver(lockstep(await modelSubject(), other));
  await expect(async () => {
    for (const step of schedule(1, 60)) await driver.run(step);
  }).rejects.toThrow(Disagreement);
});
