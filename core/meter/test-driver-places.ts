/** Steps of a schedule around places: who may start, who waits, and how long one may be. */
import type { DayLimits, OpenCommand } from './open-command.ts';
import type { Dice } from './schedule.ts';
import { seedBudgets } from './test-driver-limits.ts';
import type { Driver } from './test-stage.ts';
import { ORGS, START, USERS } from './test-stage.ts';

/** Days are short, too, and do not end where periods do. */
const DAY_MS = 70_000;

type Asked = Pick<OpenCommand, 'memberConcurrentSessions' | 'day' | 'queue' | 'isShadow'>;

export function placesAsked(driver: Driver, dice: Dice): Asked {
  const some = (chance: number, numbers: number[]) =>
    dice.chance(chance) ? dice.pick(numbers) : null;
  const isDay = dice.chance(0.4);
  const max = some(0.4, [0, 1, 2, 5]);
  return {
    memberConcurrentSessions: some(0.2, [1, 2]),
    day: isDay
      ? {
          ...dayOf(driver, dice),
          sessions: some(0.8, [1, 2, 4]),
          memberSessions: some(0.3, [1, 2]),
        }
      : null,
    queue:
      max === null ? null : { max, leaseMs: dice.pick([1_000, 5_000]), turn: turn(driver, dice) },
    isShadow: dice.chance(0.1),
  };
}

function turn(driver: Driver, dice: Dice): number | null {
  return dice.chance(0.2) ? driver.now - dice.pick([0, 1, 1_000]) : null;
}

/** Now and then a gateway believes in the day before. */
function dayOf(driver: Driver, dice: Dice): Pick<DayLimits, 'startsAt' | 'endsAt'> {
  const day = Math.floor((driver.now - START) / DAY_MS) - (dice.chance(0.05) ? 1 : 0);
  return { startsAt: START + day * DAY_MS, endsAt: START + (day + 1) * DAY_MS };
}

/** As a gateway does that was answered `uncounted`: what the ledger has, and the day of now. */
export async function countStarts(
  driver: Driver,
  dice: Dice,
  command: OpenCommand,
  generation: number,
): Promise<OpenCommand> {
  const { org, day } = command;
  if (!day) return command;
  const { startsAt, endsAt } = dayOf(driver, dice);
  const starts = [...driver.ledger.sessions]
    .filter(([, known]) => known.org === org && known.startedAt >= startsAt)
    .map(([key, { user, startedAt }]) => ({ user, session: key.slice(org.length + 1), startedAt }));
  await driver.subject.meter.count({ org, generation, since: startsAt, starts });
  return { ...command, day: { ...day, startsAt, endsAt } };
}

export async function lookAtPlaces(driver: Driver, dice: Dice): Promise<void> {
  const { meter } = driver.subject;
  for (const org of ORGS) await meter.readPlaces(org, dice.pick(USERS), dayOf(driver, dice));
}

export async function runPlacesStep(driver: Driver, kind: 'leave' | 'extend', dice: Dice) {
  const { meter } = driver.subject;
  const recorders = [...driver.recorders.values()];
  if (recorders.length === 0) return;
  const { org, user, session, row } = dice.pick(recorders);
  if (kind === 'leave') {
    await meter.leave(org, user, session);
    return;
  }
  const knownMs = row?.chargedMs ?? 0;
  driver.ledger.version += 1;
  const command = {
    ...{ org, session, levels: [50, 80, -5_000] },
    limitMs: dice.pick([null, 0, 1_000, 90_000, knownMs, knownMs + 1, knownMs + 5_000]),
    version: driver.ledger.version - (dice.chance(0.2) ? 1 : 0),
  };
  const reply = await meter.extend(command);
  if (reply.status !== 'unseeded') return;
  await seedBudgets(driver, dice, org, reply.budgets);
  await meter.extend(command);
}
