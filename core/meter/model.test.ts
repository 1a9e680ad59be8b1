/**
 * The model keeps what the product promises, on random schedules: the invariants of a meter
 * against sums of the test's own (test-oracle.ts), harmless repeats, and records that add up.
 * `SEED=<n>` runs that one schedule alone.
 */
import { expect, it } from 'vitest';
import type { Meter } from './commands.ts';
import type { Step } from './schedule.ts';
import { schedule } from './schedule.ts';
import { createDriver } from './test-driver.ts';
import { watch } from './test-oracle.ts';
import { checkRecords } from './test-records.ts';
import type { Outcome } from './test-replay.ts';
import { report, runSteps } from './test-replay.ts';
import type { Driver } from './test-stage.ts';
import { allBudgets, ORGS } from './test-stage.ts';
import type { Subject } from './test-subject.ts';
import { modelSubject } from './test-subject.ts';

const STEPS = 150;
const SCHEDULES = 60;
const TIMEOUT_MS = 120_000;

/** Every schedule, or the one that SEED names; the first that fails is told in its fewest steps. */
async function onSchedules(run: (steps: Step[]) => Promise<Outcome>): Promise<void> {
  const only = process.env.SEED;
  for (let i = 0; i < (only === undefined ? SCHEDULES : 1); i++) {
    const seed = only === undefined ? i + 1 : Number(only);
    const { error } = await run(schedule(seed, STEPS));
    if (error !== null) expect.fail(await report('model.test.ts', seed, STEPS, run));
  }
}

it('keeps every invariant around every command', { timeout: TIMEOUT_MS }, async () => {
  await onSchedules(async (steps) => {
    const subject = watch(await modelSubject());
    const begin = async () => {
      subject.driver = await createDriver(subject);
      return subject.driver;
    };
    return runSteps(steps, subject.log, begin, async () => {});
  });
});

it('writes records that are dense and add up to what was charged', {
  timeout: TIMEOUT_MS,
}, async () => {
  await onSchedules(async (steps) => {
    const subject = await modelSubject();
    let driver: Driver | undefined;
    const begin = async () => {
      driver = await createDriver(subject);
      return driver;
    };
    const outcome = await runSteps(steps, [], begin, async () => {});
    if (outcome.error !== null || driver === undefined) return outcome;
    try {
      await checkRecords(driver);
    } catch (error) {
      return { ...outcome, error: error as Error };
    }
    return outcome;
  });
});

/** Every command is asked twice; the second answer is what the caller goes by. */
function twice(subject: Subject): Subject {
  const meter = new Proxy({} as Meter, {
    get: (_target, name: keyof Meter) => {
      return async (...args: unknown[]) => {
        const ask = subject.meter[name] as (...args: unknown[]) => Promise<unknown>;
        if (name === 'beats') {
          // An item is repeated, not the batch: what lies between may be the stop it answers.
          const [items, ...rest] = args as [unknown[], number];
          const reply = await ask.apply(subject.meter, [
            items.flatMap((one) => [one, one]),
            ...rest,
          ]);
          const { items: answers, ...told } = reply as { items: unknown[] };
          return { ...told, items: answers.filter((_answer, i) => i % 2 === 1) };
        }
        const first = await ask.apply(subject.meter, args);
        // A second look of the sweep finds it ended, a second cut finds the period over; a session cannot
        // be new twice: what the first answer said still stands.
        if (name === 'close' || name === 'open' || name === 'cut') {
          const second = (await ask.apply(subject.meter, args)) as { status: string };
          return name === 'open' && second.status === 'resumed' ? second : first;
        }
        return ask.apply(subject.meter, args);
      };
    },
  });
  return { ...subject, meter };
}

/** All that money rests on; owners' counters rise with every `open`, and rightly so. */
async function money(driver: Driver): Promise<unknown> {
  const { meter } = driver.subject;
  const budgets: unknown[] = [];
  for (const org of ORGS) {
    const reply = await meter.readBudgets(org, allBudgets(driver, org));
    if (reply.status === 'ok') budgets.push(...reply.budgets.map((row) => ({ ...row, seq: 0 })));
  }
  const sessions: unknown[] = [];
  for (const { org, session } of driver.everyone) {
    const reply = await meter.readSession(org, session);
    if (reply.status === 'ok') sessions.push({ ...reply.session, epoch: null });
  }
  return { budgets, sessions };
}

it('every command applied twice is applied once', { timeout: TIMEOUT_MS }, async () => {
  await onSchedules(async (steps) => {
    const once = await createDriver(await modelSubject());
    const begin = async () => createDriver(twice(await modelSubject()));
    let at = 0;
    return runSteps(steps, [], begin, async (driver) => {
      const step = steps[at++];
      if (step !== undefined) await once.run(step);
      expect(await money(driver)).toEqual(await money(once));
    });
  });
});

it('a violation would be seen', async () => {
  const honest = await modelSubject();
  const meter = { ...honest.meter };
  meter.beats = (items, wallMs) =>
    honest.meter.beats(
      items.map((item) => ({ ...item, totalMs: item.totalMs + 1 })),
      wallMs,
    );
  meter.readBudgets = async (org, names) => {
    const reply = await honest.meter.readBudgets(org, names);
    if (reply.status !== 'ok') return reply;
    return { ...reply, budgets: reply.budgets.map((row) => ({ ...row, usedMs: row.planMs })) };
  };
  const subject = watch({ ...honest, meter });
  const begin = async () => {
    subject.driver = await createDriver(subject);
    return subject.driver;
  };
  const outcomes = [1, 2, 3].map((seed) => schedule(seed, STEPS));
  const errors: (string | undefined)[] = [];
  for (const steps of outcomes) {
    errors.push((await runSteps(steps, [], begin, async () => {})).error?.name);
  }
  expect(errors).toContain('Violation');
});
