/**
 * What the steps of a schedule share: the organizations and sessions there are, the time, and what
 * recorders truly recorded. Of the meter it knows only what was answered.
 */
import { memberBudget, organizationBudget, sessionBudget } from './budget-name.ts';
import type { OpenReply } from './commands.ts';
import { shardOf } from './keys.ts';
import type { Epoch, SessionRow } from './rows.ts';
import type { Dice, Step } from './schedule.ts';
import type { Ledger } from './test-ledger.ts';
import type { Subject } from './test-subject.ts';

export const START = Date.UTC(2026, 0, 1);
/** Periods are short, so that schedules of minutes meet many boundaries. */
export const PERIOD_MS = 200_000;
/** Two organizations share a shard, one has its own: sessions of all have the same ids. */
export const ORGS = organizations();
export const USERS = ['ann', 'ben'];
export const SHARDS_USED = [...new Set(ORGS.map((org) => shardOf(org)))];

export interface Recorder {
  org: string;
  user: string;
  session: string;
  /** what it recorded, by its own stopwatch */
  recordedMs: number;
  state: 'recording' | 'paused' | 'detached';
  epoch: Epoch;
  /** as the meter last showed it; null before it was opened */
  row: SessionRow | null;
  /** an earlier look of the sweep at it */
  look: { totalMs: number; lastAnswerAt: number } | null;
  ended: boolean;
}

export interface Driver {
  subject: Subject;
  now: number;
  speed: number;
  ledger: Ledger;
  generations: Map<number, number>;
  /** per `org|slot` the session that stands there now, and how many stood there before */
  recorders: Map<string, Recorder>;
  rounds: Map<string, number>;
  /** every recorder that ever opened */
  everyone: Set<Recorder>;
  run(step: Step): Promise<void>;
  /** puts the clock of all shards where `now` and `speed` say */
  applyClock(): Promise<void>;
}

export function clockOf(driver: Driver) {
  const { now, speed } = driver;
  return { meterBaseAt: now, realBaseAt: now, speed, frozen: true };
}

/** Time passes, for the meter and for who records. */
export async function advance(driver: Driver, ms: number): Promise<void> {
  driver.now += ms;
  for (const recorder of driver.recorders.values()) {
    if (recorder.state === 'recording' && !recorder.ended) recorder.recordedMs += ms;
  }
  await driver.applyClock();
}

export function periodAt(instant: number): number {
  return START + Math.max(0, Math.floor((instant - START) / PERIOD_MS)) * PERIOD_MS;
}

export function namesAt(org: string, period: number): string[] {
  return [organizationBudget(org, period), ...USERS.map((user) => memberBudget(org, user, period))];
}

/** Budgets a step may ask about: of the present period, the ones beside it, a session's own. */
export function anyBudget(driver: Driver, dice: Dice, org: string): string {
  const period = periodAt(driver.now) + dice.pick([0, 0, 0, 0, -PERIOD_MS, PERIOD_MS]);
  const recorder = dice.pick([...driver.recorders.values(), undefined]);
  if (recorder?.org === org && dice.chance(0.3)) return sessionBudget(org, recorder.session);
  return dice.pick([organizationBudget(org, period), ...namesAt(org, period)]);
}

export async function readBudget(driver: Driver, org: string, name: string) {
  const reply = await driver.subject.meter.readBudgets(org, [name]);
  return reply.status === 'ok' ? reply.budgets[0] : undefined;
}

export function allBudgets(driver: Driver, org: string): string[] {
  const own = [...driver.everyone].filter((one) => one.org === org);
  const limits = [...driver.ledger.limits.values()].filter((limit) => limit.org === org);
  return [
    ...limits.map((limit) => limit.name),
    ...own.map((one) => sessionBudget(org, one.session)),
  ];
}

/** What a recorder learns when it is let in: from here on it records. */
export function learn(driver: Driver, recorder: Recorder, reply: OpenReply): void {
  if (reply.status === 'ended') recorder.ended = true;
  if (reply.status !== 'opened' && reply.status !== 'resumed') return;
  recorder.row = reply.session;
  recorder.epoch = reply.session.epoch;
  recorder.recordedMs = Math.max(recorder.recordedMs, reply.session.totalMs);
  recorder.state = reply.session.stoppedBy === '' ? 'recording' : 'paused';
  driver.everyone.add(recorder);
}

function organizations(): string[] {
  const first = 'acme';
  const names = Array.from({ length: 2_000 }, (_, i) => `org-${i}`);
  const neighbour = names.find((name) => shardOf(name) === shardOf(first)) ?? first;
  const other = names.find((name) => shardOf(name) !== shardOf(first)) ?? first;
  return [first, neighbour, other];
}
