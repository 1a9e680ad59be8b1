/** Steps of a schedule that gateways, recorders and sweeps take. */
import { organizationBudget } from './budget-name.ts';
import type { BeatItem, OpenReply } from './commands.ts';
import { shardOf } from './keys.ts';
import type { OpenCommand } from './open-command.ts';
import type { BudgetRow, LedgerBase, SessionRow, Untold, Witness } from './rows.ts';
import type { Dice, StepKind } from './schedule.ts';
import { seedBudgets } from './test-driver-limits.ts';
import { countStarts, placesAsked } from './test-driver-places.ts';
import { baseOf } from './test-ledger.ts';
import type { Driver, Recorder } from './test-stage.ts';
import { learn, namesAt, ORGS, periodAt, readBudget, USERS } from './test-stage.ts';

const SLOTS = 4;
const MINUTE_MS = 60_000;
const TRIES = 5;

export async function runSessionStep(driver: Driver, kind: StepKind, dice: Dice): Promise<void> {
  if (kind === 'open') return open(driver, dice);
  const ended = dice.chance(0.1);
  const recorders = [...driver.recorders.values()].filter(
    (one) => driver.everyone.has(one) && (ended || !one.ended),
  );
  if (recorders.length === 0) return;
  const recorder = dice.pick(recorders);
  // Who was told to stop mostly ends, and makes room for others.
  const isStopped = (recorder.row?.stoppedBy ?? '') !== '';
  if (isStopped && !recorder.ended && dice.chance(0.4)) return close(driver, dice, recorder);
  if (kind === 'beats') {
    const others = dice.chance(0.3) ? [dice.pick(recorders), dice.pick(recorders)] : [];
    return beats(driver, dice, [recorder, ...others]);
  }
  if (kind === 'close') return close(driver, dice, recorder);
  if (kind === 'sweep') return sweep(driver, dice, recorder);
  if (kind === 'assert') return assertOne(driver, dice, recorder);
  if (kind === 'stop') await driver.subject.meter.stop(recorder.org, recorder.session);
}

/** Mostly the true wall clock, sometimes one at or beyond what rule 20 believes. */
function wallMs(driver: Driver, dice: Dice): number {
  return driver.now + dice.pick([0, 0, 0, 0, 0, 0, 2_000, -2_000, 2_001, -2_001]);
}

async function open(driver: Driver, dice: Dice): Promise<void> {
  const org = dice.pick(ORGS);
  const slot = `${org}|${dice.below(SLOTS)}`;
  let recorder = driver.recorders.get(slot);
  if (recorder === undefined || (recorder.ended && dice.chance(0.7))) {
    const round = (driver.rounds.get(slot) ?? 0) + 1;
    driver.rounds.set(slot, round);
    recorder = {
      ...{ org, user: dice.pick(USERS), session: `s${slot.split('|')[1]}-${round}` },
      ...{ recordedMs: 0, state: 'detached', epoch: { generation: 0, counter: 0 } },
      ...{ row: null, look: null, ended: false },
    };
    driver.recorders.set(slot, recorder);
  }
  const isNew = !driver.everyone.has(recorder);
  const limited = dice.chance(0.3);
  const witness = !isNew && dice.chance(0.4) ? witnessOf(driver, dice, recorder) : null;
  const command: OpenCommand = {
    ...{ session: recorder.session, org, period: periodAt(driver.now) },
    // Whoever opens a new one is its member.
    user: isNew || dice.chance(0.98) ? recorder.user : dice.pick(USERS),
    kind: isNew && dice.chance(0.9) ? 'new' : 'resume',
    base: null,
    ...{ witness, untold: witness && dice.chance(0.3) ? untoldOf(driver, dice, recorder) : null },
    authenticates: dice.chance(0.5),
    memoryMs: !isNew && dice.chance(0.3) ? recorder.recordedMs : null,
    capturedMs: dice.chance(0.1) ? recorder.recordedMs - dice.pick([0, 0, 700, 5_000]) : null,
    memoryAgeMs: dice.pick([0, 0, 1, 2_500, 30_000]),
    countedGapMs: 20_000,
    concurrentSessions: dice.pick([null, null, null, 1, 2, 3]),
    sessionLimitMs: limited ? dice.pick([5_000, 60_000, 90_000]) : null,
    sessionLevels: limited ? [50, 80, -5_000] : [],
    plannedMs: dice.chance(0.1) ? await plannedMs(driver, dice, org) : null,
    ...placesAsked(driver, dice),
    gatewayWallMs: wallMs(driver, dice),
  };
  learn(driver, recorder, await persist(driver, dice, command));
}

/** Of a session that only its witness knows: it began as its own marks say. */
function ofWitness(witness: Witness | null): LedgerBase | null {
  if (witness === null) return null;
  const marks = [{ period: witness.marks[0]?.period ?? 0, chargedMs: 0 }];
  const startedAt = witness.at - witness.totalMs;
  return { startedAt, ended: false, reason: '', overshootMs: 0, marks, chargedMs: 0 };
}

/**
 * As a gateway does: asks Postgres about the unknown, and whose it is (rule 17), seeds what is missing,
 * asks again.
 */
async function persist(driver: Driver, dice: Dice, first: OpenCommand): Promise<OpenReply> {
  let command = first;
  let reply = await driver.subject.meter.open(command);
  for (let tries = 1; tries < TRIES; tries++) {
    if (reply.status === 'unknown') {
      const owner = driver.ledger.sessions.get(`${command.org}|${command.session}`)?.user;
      const isForeign = owner !== undefined && owner !== command.user;
      if (isForeign) return { status: 'foreign', now: reply.now };
      const base =
        baseOf(driver.ledger, command.org, command.session) ?? ofWitness(command.witness);
      // Who remembers a session also gives what it rests on; of a new one nothing is remembered.
      const anew = { kind: 'new', memoryMs: null } as const;
      command = { ...command, base, ...(base === null ? anew : {}) };
    } else if (reply.status === 'unseeded') {
      await seedBudgets(driver, dice, command.org, reply.budgets);
    } else if (reply.status === 'uncounted') {
      command = await countStarts(driver, dice, command, reply.generation);
    } else return reply;
    reply = await driver.subject.meter.open(command);
  }
  return reply;
}

async function plannedMs(driver: Driver, dice: Dice, org: string): Promise<number> {
  const row = await readBudget(driver, org, organizationBudget(org, periodAt(driver.now)));
  return Math.max(0, (row?.remainingMs ?? 60_000) + dice.pick([0, 1, -1, -5_000]));
}

/** What a checkpoint, or a gateway's memory, would say: mostly true, sometimes old. */
function witnessOf(driver: Driver, dice: Dice, recorder: Recorder): Witness {
  const { row, epoch } = recorder;
  const knownMs = row?.totalMs ?? 0;
  const newerMs = Math.max(knownMs, recorder.recordedMs);
  const totalMs = dice.pick([knownMs, newerMs, newerMs, newerMs, Math.max(0, knownMs - 1_000)]);
  const isOld = dice.chance(0.2);
  return {
    epoch: { ...epoch, counter: epoch.counter - (isOld ? 1 : 0) },
    totalMs,
    // Now and then of a life in which there was more room.
    overshootMs: dice.chance(0.85) ? Math.min(row?.overshootMs ?? 0, totalMs) : 0,
    at: driver.now - dice.pick([0, 0, 1, 1_000, 3_000]),
    state: dice.chance(0.1) ? dice.pick(['recording', 'paused', 'detached']) : recorder.state,
    marks: cutMarks(row, totalMs) ?? [{ period: periodAt(driver.now), chargedMs: 0 }],
  };
}

/** What its gateway proved while the meter was away. */
function untoldOf(driver: Driver, dice: Dice, recorder: Recorder): Untold {
  const beyondMs = Math.max(0, recorder.recordedMs - (recorder.row?.totalMs ?? 0));
  const ms = dice.pick([beyondMs, beyondMs, 1, 2_500, 30_000]);
  return {
    ms,
    at: driver.now - dice.pick([0, 1, 1_000, -3_600_000]),
    isForgiven: dice.chance(0.3),
  };
}

/** No mark of a true witness lies above what it says was charged. */
function cutMarks(row: SessionRow | null, totalMs: number) {
  if (row === null) return null;
  const chargedMs = totalMs - Math.min(row.overshootMs, totalMs);
  const marks = row.marks.filter((mark, i) => i === 0 || mark.chargedMs <= chargedMs);
  return marks.map((mark) => ({ ...mark }));
}

async function beats(driver: Driver, dice: Dice, recorders: Recorder[]): Promise<void> {
  const items: BeatItem[] = [];
  for (const recorder of recorders) items.push(await itemOf(driver, dice, recorder));
  const reply = await driver.subject.meter.beats(items, wallMs(driver, dice));
  for (const [i, recorder] of recorders.entries()) await hear(driver, recorder, items[i]);
  for (const [i, item] of reply.items.entries()) {
    const org = recorders[i]?.org;
    const missingPeriod = item?.missingPeriod ?? null;
    if (missingPeriod === null || org === undefined || dice.chance(0.4)) continue;
    await seedBudgets(driver, dice, org, namesAt(org, missingPeriod));
  }
}

async function itemOf(driver: Driver, dice: Dice, recorder: Recorder): Promise<BeatItem> {
  const { epoch } = recorder;
  if (dice.chance(0.12)) recorder.state = dice.pick(['recording', 'paused', 'detached']);
  const ageMs = dice.chance(0.6) ? 0 : dice.pick([1, 500, 2_000, 3_000]);
  const unsaidMs = recorder.state === 'recording' ? ageMs : 0;
  let totalMs = Math.max(0, recorder.recordedMs - unsaidMs);
  if (dice.chance(0.2)) {
    totalMs = await edgeTotal(driver, dice, recorder);
    recorder.recordedMs = Math.max(recorder.recordedMs, totalMs);
  } else if (dice.chance(0.15)) {
    // Said before, or older than what was said.
    totalMs = Math.max(0, (recorder.row?.totalMs ?? 0) - dice.pick([0, 0, 1, 1_000]));
  }
  const offCounter = dice.pick([...Array<number>(18).fill(0), -1, 1]);
  return {
    ...{ org: recorder.org, session: recorder.session, totalMs, ageMs, state: recorder.state },
    epoch: { ...epoch, counter: epoch.counter + offCounter },
  };
}

/** A total that lands on an edge: the end of a minute, of the room, of a percent level; one off. */
async function edgeTotal(driver: Driver, dice: Dice, recorder: Recorder): Promise<number> {
  const { row } = recorder;
  if (row === null) return 0;
  const offMs = dice.pick([0, 0, 0, -1, 1]);
  if (dice.chance(0.4)) {
    const minute = Math.floor(row.chargedMs / MINUTE_MS) + 1;
    return row.overshootMs + minute * MINUTE_MS + offMs;
  }
  const name = organizationBudget(recorder.org, row.period);
  const budget = (await readBudget(driver, recorder.org, name)) ?? null;
  return Math.max(0, row.totalMs + toEdgeMs(dice, budget) + offMs);
}

function toEdgeMs(dice: Dice, budget: BudgetRow | null): number {
  if (budget === null || budget.remainingMs === null) return 1_000;
  const level = dice.pick(budget.levels.filter((one) => one > 0).concat(100));
  const toLevelMs = Math.ceil(((budget.quotaMs ?? 0) * level) / 100) - budget.planMs;
  return dice.chance(0.5) || toLevelMs < 0 ? budget.remainingMs : toLevelMs;
}

/** Its gateway keeps what the meter shows of it; a stopped recorder rests, mostly. */
export async function hear(driver: Driver, recorder: Recorder, item: BeatItem | undefined) {
  const reply = await driver.subject.meter.readSession(recorder.org, recorder.session);
  if (reply.status !== 'ok') {
    if (reply.status === 'unknown' && recorder.ended) recorder.row = null;
    return;
  }
  recorder.row = reply.session;
  if (reply.session.state === 'ended') recorder.ended = true;
  const isStopped = reply.session.stoppedBy !== '' && item !== undefined && item.totalMs % 3 > 0;
  if (isStopped && recorder.state === 'recording') recorder.state = 'paused';
}

async function close(driver: Driver, dice: Dice, recorder: Recorder): Promise<void> {
  const item = await itemOf(driver, dice, recorder);
  const { org, session, epoch: owner, totalMs, ageMs } = item;
  const by = { owner, totalMs, ageMs };
  const gatewayWallMs = wallMs(driver, dice);
  const reason = dice.pick(['stopped', 'limitReached']);
  const reply = await driver.subject.meter.close({ org, session, reason, by, gatewayWallMs });
  if (reply.status === 'ended') recorder.ended = true;
}

/** Two looks: the first is kept, the second ends it if nothing has changed since. */
async function sweep(driver: Driver, dice: Dice, recorder: Recorder): Promise<void> {
  const { org, session, look } = recorder;
  const { meter } = driver.subject;
  if (look !== null) {
    const gatewayWallMs = wallMs(driver, dice);
    const reply = await meter.close({
      org,
      session,
      reason: 'lost',
      by: { sweep: look },
      gatewayWallMs,
    });
    if (reply.status === 'ended') recorder.ended = true;
  }
  const reply = await meter.readSession(org, session);
  if (reply.status !== 'ok') return;
  const { totalMs, lastAnswerAt } = reply.session;
  recorder.look = { totalMs, lastAnswerAt };
}

async function assertOne(driver: Driver, dice: Dice, recorder: Recorder): Promise<void> {
  const { org, session, user } = recorder;
  const known = baseOf(driver.ledger, org, session);
  if (dice.chance(0.1) && known !== null) {
    const shard = shardOf(org);
    const generation = driver.generations.get(shard) ?? 1;
    const sessions = [{ session, org, user, base: known }];
    await driver.subject.meter.adopt({ shard, generation, sessions });
    return;
  }
  const limited = dice.chance(0.3);
  const witness = witnessOf(driver, dice, recorder);
  const limit = { sessionLimitMs: limited ? 90_000 : null, sessionLevels: limited ? [50] : [] };
  const ids = { org, session, user, witness, ...limit, gatewayWallMs: wallMs(driver, dice) };
  const { meter } = driver.subject;
  let base: LedgerBase | null = null;
  for (let tries = 0; tries < TRIES; tries++) {
    const reply = await meter.assert({ ...ids, base });
    if (reply.status === 'unknown' && base === null) {
      base = baseOf(driver.ledger, org, session) ?? ofWitness(witness);
    } else if (reply.status === 'unseeded') {
      await seedBudgets(driver, dice, org, reply.budgets);
    } else {
      if (reply.status === 'ok') {
        recorder.row = reply.session;
        recorder.epoch = reply.session.epoch;
        recorder.recordedMs = Math.max(recorder.recordedMs, reply.session.totalMs);
        driver.everyone.add(recorder);
      }
      if (reply.status === 'ended') recorder.ended = true;
      return;
    }
  }
}
