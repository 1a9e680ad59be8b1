/**
 * The metering of a gateway, composed: every noun made once, and the few places where one has to
 * tell another. The arrows between them are closures here, so that no file needs to know them all.
 */
import { memberBudget, organizationBudget, parseBudgetName } from '../core/meter/budget-name.ts';
import { shardOf } from '../core/meter/keys.ts';
import type { MeterEvent } from '../core/meter/rows.ts';
import { type Admission, createAdmission } from './admission.ts';
import { createAlarm } from './alarm.ts';
import { type Bind, createBinding } from './binding.ts';
import { type Budgets, createBudgets } from './budgets.ts';
import { isForgiven, testimonyOf } from './claim.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import { createEvents } from './events.ts';
import { createFollowing, type Following } from './following.ts';
import { createHearing, type Hearing } from './hearing.ts';
import { createHub, type Hub } from './hub.ts';
import { createLane, TURNING_AT_ONCE } from './lane.ts';
import { createLotWatch, type LotWatch } from './lot-watch.ts';
import { createMeterTime, type MeterTime } from './meter-time.ts';
import type { MeteringOptions } from './metering-options.ts';
import { createOpening } from './opening.ts';
import { createOutage } from './outage.ts';
import type { OutageBook } from './outage-book.ts';
import { createRecovery, type Recovery } from './recovery.ts';
import { startRetention } from './retention.ts';
import { createSeeding } from './seeding.ts';
import { isOthers, isOver, type LiveSession, takeRow } from './session.ts';
import { createEnding, type Ending } from './stopping.ts';
import { lift, type StopwatchRules } from './stopwatch.ts';
import { createTelling, type Telling } from './telling.ts';
import { createTicker } from './ticker.ts';
import { createWords, type Words } from './words.ts';

export interface Metering {
  hub: Hub;
  budgets: Budgets;
  telling: Telling;
  ending: Ending;
  hearing: Hearing;
  admission: Admission;
  recovery: Recovery;
  time: MeterTime;
  book: OutageBook;
  /** `started`, then whatever is due: a session has its wire. */
  bind: Bind;
  heard(event: MeterEvent): void;
  words: Words;
  /** real ms since the meter does not answer */
  meterSilentMs(): number;
  /** The connection to the meter was lost, and there is another one. */
  reconnected(): void;
  /** Detaches every session and waits until the meter has every word. */
  stop(): Promise<void>;
}

export function createMetering(options: MeteringOptions): Metering {
  const { meter, ledger, clock, log, seal, book, intervalMs, timeoutMs } = options;
  const { speed } = options.meterClock;
  const time = createMeterTime(clock, options.meterClock);
  const rules: StopwatchRules = { countedGapMs: intervalMs + timeoutMs, speed };
  const monotonicMs = () => clock.monotonicMs();
  const outage = createOutage({
    ...{ log, monotonicMs },
    began: () => book.began('redis'),
    over() {
      book.ended('redis');
      for (const session of hub.live()) if (session.waitingSince !== null) words.say(session);
    },
  });
  const turning = createLane(TURNING_AT_ONCE);
  const alarm = createAlarm({ log, monotonicMs });
  const broke = (error: unknown) => log.error({ err: error }, 'something broke within the gateway');

  const ticker = createTicker({
    intervalMs,
    monotonicMs,
    tick: (session) => telling.tick(session),
  });
  const hub: Hub = createHub({
    added: (session) => ticker.add(session),
    removed(session) {
      ticker.remove(session);
      budgets.draw(session, []);
      ending.drop(session);
    },
  });
  const deadlines: Deadlines = createDeadlines({
    time,
    monotonicMs,
    tickAll(name) {
      for (const session of budgets.sessionsOn(name)) telling.tick(session);
    },
    async ask(row) {
      const { org } = parseBudgetName(row.name);
      try {
        const reply = await meter.deadline(org, row.name);
        if ('now' in reply) answered(reply.now);
        if (reply.status === 'recover') recovery.needed(org);
        return reply;
      } catch (error) {
        outage.failed(error);
        return null;
      }
    },
    apply: (rows) => budgets.apply(rows),
    failed: broke,
  });
  const budgets: Budgets = createBudgets({
    moved: (row) => deadlines.moved(row),
    changed(row, sessions, isOtherLimit) {
      lots.changed(row);
      for (const session of sessions) review(session, isOtherLimit);
    },
    gone(name) {
      deadlines.gone(name);
      lots.gone(name);
    },
  });
  const lots: LotWatch = createLotWatch({
    ...{ time, alarm },
    load: (org, since) => ledger.lotDates(org, since),
    sessionsOn: (name) => budgets.sessionsOn(name),
    tick: (session) => telling.tick(session),
  });
  const telling: Telling = createTelling({
    ...{ budgets, time, seal, clock, intervalMs, timeoutMs, links: options.links },
    extraExpires: (org) => lots.next(org),
  });
  const words: Words = createWords({
    ...{ meter, time, clock, failed: broke, unanswered: outage.failed },
    told(reply) {
      // Where every shard waits for its recovery there is no meter time either.
      if (reply.now > 0) answered(reply.now);
      budgets.apply(reply.budgets);
      for (const { shard, fields } of reply.minutes) options.minutes.ready(shard, fields);
    },
    outcomes: {
      stopped: (session) => aside(following.findStop(session)),
      superseded: (session) => following.superseded(session),
      ended: (session) => aside(following.findEnd(session)),
      unknown: (session) => aside(recovery.assert(session)),
      recover: (session) => recovery.needed(session.org),
      missingPeriod: (session, period) => aside(turning(() => seedPeriod(session, period))),
      movedPeriod: (session) => aside(turning(() => following.movePeriod(session))),
      back: (session, reply) => book.back(session, reply),
      forgive: (session) => aside(recovery.assert(session)),
      doubted({ org }) {
        alarm(org, { org }, 'the clocks of Redis and of this gateway disagree: no period ends');
      },
    },
  });
  const seeding = createSeeding({ ledger, meter, told: (rows) => budgets.apply(rows) });
  const recovery: Recovery = createRecovery({
    ...{ meter, ledger, seeding, log },
    wallMs: () => clock.wallMs(),
    remembered: () => hub.remembered(),
    testimony: (session) => testimonyOf(session, time),
    renumbered(shard) {
      budgets.renumber((name) => shardOf(parseBudgetName(name).org) === shard);
    },
    wake: options.wakeRecovery,
    asserted(session, reply) {
      answered(reply.now);
      options.minutes.ready(shardOf(session.org), reply.minutes);
      if (session.waitingSince !== null) book.back(session, reply.session);
      if (reply.status === 'superseded' || isOthers(session, reply.session)) {
        return following.superseded(session);
      }
      if (isForgiven(session)) session.waitingSince = null;
      takeRow(session, reply.session);
      lift(session.stopwatch, reply.session.totalMs);
      if (session.phase.kind === 'elsewhere') return;
      if (session.phase.kind === 'ended') {
        if (reply.status === 'ok') ending.endAgain(session);
        return;
      }
      if (reply.status === 'ended') return ending.foundEnded(session, reply.session);
      following.join(session, reply.session, reply.budgets);
      if (!isOver(session)) words.say(session);
    },
    unasserted(session) {
      session.waitingSince ??= monotonicMs();
    },
  });
  const ending: Ending = createEnding({
    ...{ meter, time, clock, telling, log },
    over: (session) => hub.retain(session),
    told(reply) {
      answered(reply.now);
      budgets.apply(reply.budgets);
    },
    unanswered: outage.failed,
    back: (session, row) => book.back(session, row),
    terminated: (session) => book.terminated(session),
    assert: (session) => recovery.assert(session),
    recover: (session) => recovery.needed(session.org),
    ready: (session, fields) => options.minutes.ready(shardOf(session.org), fields),
  });
  const following: Following = createFollowing({
    ...{ meter, budgets, hub, telling, ending },
    assert: (session) => recovery.assert(session),
  });
  const hearing = createHearing({ words, telling, ending, rules, monotonicMs });
  const open = createOpening({
    ...{ meter, ledger, seeding, clock },
    now: () => time.now(),
    needed: (org) => recovery.needed(org),
    outageTold,
    answered,
    unanswered: outage.failed,
  });
  const admission = createAdmission({
    ...{ open, ledger, seal, hub, time, clock, rules, log },
    tickets: options.tickets,
    metadata: options.metadata,
    resumeWindowMs: options.resumeWindowMs,
    actions: (binding) => telling.actions(binding),
    isOwner: (session) => following.isOwner(session),
  });

  const retention = startRetention({
    ...{ hub, ledger, log, monotonicMs, resumeWindowMs: options.resumeWindowMs },
    lookUp: (session) => following.lookUp(session),
    assert: (session) => recovery.assert(session),
  });

  function answered(now: number): void {
    outage.answered();
    time.saw(now);
  }

  async function outageTold(org: string): Promise<void> {
    if (outage.lastsMs() > 0) {
      const reply = await meter.readBudgets(org, []);
      if (reply.status === 'ok') answered(reply.now);
    }
    await outage.told();
  }

  /** What goes on beside; a fault in it must not end the process, and with it everybody's sessions. */
  function aside(work: Promise<void>): void {
    work.catch(broke);
  }

  /** One session's trouble must not keep the others of its budget from hearing. */
  function review(session: LiveSession, isOtherLimit: boolean): void {
    try {
      following.review(session, isOtherLimit);
    } catch (error) {
      broke(error);
    }
  }

  async function seedPeriod(session: LiveSession, period: number): Promise<void> {
    const { org, user } = session;
    const names = [organizationBudget(org, period), memberBudget(org, user, period)];
    const isSeeded = await seeding.seed(org, names).catch((error) => {
      alarm(org, { err: error, org }, 'the next period waits for Postgres');
      return false;
    });
    if (isSeeded && !isOver(session)) words.say(session);
  }

  return {
    ...{ hub, budgets, telling, ending, hearing, admission, recovery, time, words, book },

    bind: createBinding({
      ...{ hub, following, telling, lots, words, monotonicMs, aside, minutes: options.minutes },
    }),
    heard: createEvents({ hub, budgets, ending, following, recovery, aside }),
    meterSilentMs: outage.lastsMs,
    reconnected: outage.reconnected,

    async stop() {
      await ticker.stop();
      await deadlines.stop();
      await lots.stop();
      await words.idle();
      ending.stopAll();
      await retention.stop();
      await recovery.stop();
    },
  };
}
