/** Steps of a schedule that come to where a budget runs out. */
import type { Dice } from './schedule.ts';
import { hear } from './test-driver-sessions.ts';
import type { Driver, Recorder } from './test-stage.ts';
import { advance, allBudgets, anyBudget, ORGS } from './test-stage.ts';

/** A deadline that somebody thinks has come, of any budget. */
export async function someDeadline(driver: Driver, dice: Dice): Promise<void> {
  const org = dice.pick(ORGS);
  await driver.subject.meter.deadline(org, anyBudget(driver, dice, org));
}

/** Every session tells the truth, at once, as recorders answer a probe. */
async function probe(driver: Driver, recorders: Recorder[]): Promise<void> {
  const items = recorders.map(({ org, session, epoch, recordedMs: totalMs, state }) => {
    return { org, session, epoch, totalMs, ageMs: 0, state };
  });
  await driver.subject.meter.beats(items, driver.now);
  for (const [i, recorder] of recorders.entries()) await hear(driver, recorder, items[i]);
}

/** To the instant at which a budget runs out, or one off; mostly its sessions answer a probe. */
export async function toDeadline(driver: Driver, dice: Dice): Promise<void> {
  const org = dice.pick(ORGS);
  const reply = await driver.subject.meter.readBudgets(org, allBudgets(driver, org));
  const rows = reply.status === 'ok' ? reply.budgets : [];
  const running = rows.filter((row) => row.remainingMs !== null && row.burnRate > 0);
  if (running.length === 0) return;
  const row = dice.pick(running);
  const { name } = row;
  const runsOutMs = ((row.remainingMs ?? 0) + row.frontierSumMs) / row.burnRate;
  const at = row.startsAt + Math.ceil(runsOutMs) + dice.pick([0, 0, 0, 1, -1]);
  if (at < driver.now || at > driver.now + 300_000) return;
  const leadMs = dice.pick([1_000, 1_000, 1_999, 2_000, 2_001]) * driver.speed;
  if (dice.chance(0.8) && at - driver.now > leadMs) {
    await advance(driver, at - driver.now - leadMs);
    const asked = [...driver.recorders.values()].filter(
      // Some are silent: they stall.
      (one) => one.org === org && !one.ended && dice.chance(0.9),
    );
    if (asked.length > 0) await probe(driver, asked);
  }
  await advance(driver, Math.max(0, at - driver.now));
  await driver.subject.meter.deadline(org, name);
}
