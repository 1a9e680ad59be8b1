/** Runs the steps of a schedule against a meter, as gateways, sweeps and workers would. */
import type { Dice, Step } from './schedule.ts';
import { diceOf } from './schedule.ts';
import { someDeadline, toDeadline } from './test-driver-deadlines.ts';
import { runLimitStep, seedBudgets } from './test-driver-limits.ts';
import { lookAtPlaces, runPlacesStep } from './test-driver-places.ts';
import { runSessionStep } from './test-driver-sessions.ts';
import { createLedger } from './test-ledger.ts';
import type { Driver } from './test-stage.ts';
import {
  advance,
  allBudgets,
  clockOf,
  namesAt,
  ORGS,
  PERIOD_MS,
  periodAt,
  SHARDS_USED,
  START,
} from './test-stage.ts';
import type { Subject } from './test-subject.ts';
import { FIRST_LIFE } from './test-subject.ts';

export async function createDriver(subject: Subject): Promise<Driver> {
  const driver: Driver = {
    ...{ subject, now: START, speed: 1, ledger: createLedger() },
    ...{ generations: new Map(), recorders: new Map(), rounds: new Map() },
    everyone: new Set(),
    run: async (step) => run(driver, step, diceOf(step.seed)),
    applyClock: async () => {
      for (const shard of SHARDS_USED) await subject.setClock(shard, clockOf(driver));
    },
  };
  subject.setRunId(FIRST_LIFE);
  for (const shard of SHARDS_USED) {
    driver.generations.set(shard, 1);
    const clock = clockOf(driver);
    await subject.meter.reset({ shard, runId: FIRST_LIFE, generation: 1, clock });
  }
  const dice = diceOf(1);
  for (const org of ORGS) await seedBudgets(driver, dice, org, namesAt(org, START));
  await subject.takeEvents();
  return driver;
}

async function run(driver: Driver, step: Step, dice: Dice): Promise<void> {
  switch (step.kind) {
    case 'advance':
      return advance(driver, dice.ms());
    case 'clockJump':
      driver.now += dice.pick([-1, 1]) * dice.ms();
      return driver.applyClock();
    case 'speed':
      driver.speed = dice.pick([1, 1, 2, 60]);
      return driver.applyClock();
    case 'toBoundary': {
      const boundary = periodAt(driver.now) + PERIOD_MS;
      return advance(driver, Math.max(0, boundary - driver.now + dice.pick([-1, 0, 0, 1])));
    }
    case 'otherLife': {
      driver.subject.setRunId('another-life');
      await runSessionStep(driver, 'beats', dice);
      driver.subject.setRunId(FIRST_LIFE);
      return;
    }
    case 'leave':
    case 'extend':
      return runPlacesStep(driver, step.kind, dice);
    case 'deadline':
      return someDeadline(driver, dice);
    case 'toDeadline':
      return toDeadline(driver, dice);
    case 'limits':
    case 'grant':
    case 'settle':
    case 'cut':
    case 'recover':
      return runLimitStep(driver, step.kind, dice);
    default:
      return runSessionStep(driver, step.kind, dice);
  }
}

/** Asks for all that the shards in use show: what is hidden in a reply shows within a few steps. */
export async function lookAround(driver: Driver): Promise<void> {
  const { meter } = driver.subject;
  await lookAtPlaces(driver, diceOf(1));
  await Promise.all([
    ...SHARDS_USED.map((shard) => meter.pending(shard, { limit: 10_000 })),
    ...SHARDS_USED.map((shard) => meter.shardSessions(shard)),
    ...ORGS.map((org) => meter.liveSessions(org)),
    ...ORGS.map((org) => meter.readBudgets(org, allBudgets(driver, org))),
  ]);
}
