/**
 * The metering of a gateway, composed: every noun made once, and the few places where one has to
 * tell another. The arrows between them are closures here, so that no file needs to know them all.
 */
import { createBatch } from '../core/meter/batch.ts';
import type { BudgetName } from '../core/meter/budget-name.ts';
import { memberBudget, organizationBudget, parseBudgetName } from '../core/meter/budget-name.ts';
import type { BudgetRow, MeterEvent, SessionRow } from '../core/meter/commands.ts';
import { shardOf } from '../core/meter/keys.ts';
import type { RedisMeter } from '../core/meter/meter.ts';
import { CloseCode } from '../core/protocol/close-codes.ts';
import type { Clock } from '../core/runtime/clock.ts';
import type { Log } from '../core/runtime/log.ts';
import { type Admission, type Admitted, createAdmission } from './admission.ts';
import { type Budgets, createBudgets } from './budgets.ts';
import type { CheckpointSeal } from './checkpoint.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import { createHearing, type Hearing } from './hearing.ts';
import { createHub, type Hub } from './hub.ts';
import type { Ledger } from './ledger.ts';
import { createMeterTime, type MeterTime } from './meter-time.ts';
import type { Minutes } from './minutes.ts';
import { createOpening } from './opening.ts';
import { createRecovery, type Recovery } from './recovery.ts';
import { createSeeding } from './seeding.ts';
import { isOver, type LiveSession, takeRow, type Wire } from './session.ts';
import { createEnding, type Ending } from './stopping.ts';
import { lift, type StopwatchRules } from './stopwatch.ts';
import { createTelling, type Telling, type TellingOptions } from './telling.ts';
import { createTicker } from './ticker.ts';
import type { Tickets } from './tickets.ts';
import { createWords, type Words } from './words.ts';

export interface MeteringOptions {
  meter: RedisMeter;
  ledger: Ledger;
  tickets: Tickets;
  seal: CheckpointSeal;
  minutes: Minutes;
  clock: Clock;
  log: Log;
  speed: number;
  intervalMs: number;
  timeoutMs: number;
  resumeWindowMs: number;
  links: TellingOptions['links'];
  wakeRecovery(shard: number): void;
}

export interface Metering {
  hub: Hub;
  budgets: Budgets;
  telling: Telling;
  ending: Ending;
  hearing: Hearing;
  admission: Admission;
  recovery: Recovery;
  time: MeterTime;
  /** `started`, then whatever is due: a session has its wire. */
  bind(admitted: Admitted, wire: Wire): void;
  heard(event: MeterEvent): void;
  /** real ms since the meter last answered */
  meterSilentMs(): number;
  /** Detaches every session and waits until the meter has every word. */
  stop(): Promise<void>;
}

export function createMetering(options: MeteringOptions): Metering {
  const { meter, ledger, clock, log, seal, speed, intervalMs, timeoutMs } = options;
  const time = createMeterTime(clock, speed);
  const rules: StopwatchRules = { countedGapMs: intervalMs + timeoutMs, speed };
  const monotonicMs = () => clock.monotonicMs();
  let answeredAt = monotonicMs();

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
        answered('now' in reply ? reply.now : null);
        if (reply.status === 'recover') recovery.needed(org);
        return reply;
      } catch (error) {
        log.warn({ err: error, budget: row.name }, 'a stop waits for the meter');
        return null;
      }
    },
    apply: (rows) => budgets.apply(rows),
  });
  const budgets: Budgets = createBudgets({
    moved: (row) => deadlines.moved(row),
    changed(_, sessions) {
      for (const session of sessions) review(session);
    },
    gone: (name) => deadlines.gone(name),
  });
  const telling: Telling = createTelling({
    ...{ budgets, time, seal, clock, intervalMs, timeoutMs, links: options.links },
  });
  const batch = createBatch({
    ...{ meter, monotonicMs, speed },
    wallMs: () => clock.wallMs(),
    told(reply) {
      answered(reply.now);
      budgets.apply(reply.budgets);
      for (const { shard, fields } of reply.minutes) options.minutes.ready(shard, fields);
    },
    failed: (error) => log.warn({ err: error }, 'words wait for the meter'),
  });
  const words: Words = createWords({
    ...{ batch, time },
    outcomes: {
      stopped: (session) => void findStop(session),
      superseded,
      ended: (session) => void findEnd(session),
      unknown: (session) => void recovery.assert(session),
      recover: (session) => recovery.needed(session.org),
      missingPeriod: (session, period) => void seedPeriod(session, period),
      movedPeriod: (session) => void refresh(session),
      doubted: (session) =>
        log.error({ org: session.org }, 'the clocks of Redis and of this gateway disagree'),
    },
  });
  const seeding = createSeeding({ ledger, meter, told: (rows) => budgets.apply(rows) });
  const recovery: Recovery = createRecovery({
    ...{ meter, ledger, seeding, log },
    wallMs: () => clock.wallMs(),
    remembered: () => hub.remembered(),
    forgetRows: (shard) => budgets.forget((name) => shardOf(parseBudgetName(name).org) === shard),
    wake: options.wakeRecovery,
    asserted(session, reply) {
      answered(reply.now);
      options.minutes.ready(shardOf(session.org), reply.minutes);
      if (reply.status === 'superseded') return superseded(session);
      takeRow(session, reply.session);
      lift(session.stopwatch, reply.session.totalMs);
      if (session.phase.kind === 'ended') return ending.endAgain(session);
      if (reply.status === 'ended') return ending.foundEnded(session, reply.session);
      join(session, reply.session, reply.budgets);
      if (!isOver(session)) words.say(session);
    },
  });
  const ending: Ending = createEnding({
    ...{ meter, time, clock, telling, log },
    over: (session) => hub.retain(session),
    told(reply) {
      answered(reply.now);
      budgets.apply(reply.budgets);
    },
    assert: (session) => recovery.assert(session),
    recover: (session) => recovery.needed(session.org),
    ready: (session, fields) => options.minutes.ready(shardOf(session.org), fields),
  });
  const hearing = createHearing({ words, telling, ending, rules, monotonicMs });
  const open = createOpening({
    ...{ meter, ledger, seeding, clock },
    needed: (org) => recovery.needed(org),
  });
  const admission = createAdmission({
    ...{ open, ledger, seal, hub, time, clock, rules, log },
    tickets: options.tickets,
    resumeWindowMs: options.resumeWindowMs,
    actions: (binding) => telling.actions(binding),
  });

  function answered(now: number | null): void {
    answeredAt = monotonicMs();
    if (now !== null) time.saw(now);
  }

  /** Says what is due to a session, or stops it, after something it draws on has changed. */
  function review(session: LiveSession): void {
    if (session.phase.kind !== 'recording' && session.phase.kind !== 'paused') return;
    if (!session.wire) return;
    for (const [name, stops] of session.joined) {
      const row = budgets.get(name);
      if (row && row.stops > stops) return ending.stopFor(session, row);
    }
    const news = telling.news(session);
    if (news.length > 0) session.wire.send(...news);
  }

  /** It draws on the budgets of this row from now on. */
  function join(session: LiveSession, row: SessionRow, rows: readonly BudgetRow[]): void {
    const names: BudgetName[] = [
      organizationBudget(row.org, row.period),
      memberBudget(row.org, row.user, row.period),
    ];
    const own = rows.find(({ name }) => parseBudgetName(name).scope === 'session');
    if (own) names.push(own.name);
    budgets.draw(session, names);
    for (const name of names) {
      const stops = rows.find((known) => known.name === name)?.stops ?? 0;
      session.joined.set(name, stops);
    }
    budgets.apply(rows);
  }

  function superseded(session: LiveSession): void {
    if (session.phase.kind === 'ended') return;
    session.phase = { kind: 'ended' };
    const { wire } = session;
    session.wire = null;
    wire?.close(CloseCode.superseded, 'superseded');
    hub.retain(session);
  }

  async function readRow(session: LiveSession): Promise<SessionRow | null> {
    const reply = await meter.readSession(session.org, session.id).catch(() => null);
    return reply?.status === 'ok' ? reply.session : null;
  }

  /** The meter says it is stopped, and no row known here says by which budget. */
  async function findStop(session: LiveSession): Promise<void> {
    review(session);
    if (session.phase.kind !== 'recording' && session.phase.kind !== 'paused') return;
    const row = await readRow(session);
    if (!row || row.stoppedBy === '') return;
    if (row.stoppedBy === 'session') return ending.stop(session, 'stoppedByOperator', 'session');
    const reply = await meter.readBudgets(session.org, [row.stoppedBy]).catch(() => null);
    const budget = reply?.status === 'ok' ? reply.budgets[0] : undefined;
    if (budget) ending.stopFor(session, budget);
    else ending.stop(session, 'limitReached', parseBudgetName(row.stoppedBy).scope);
  }

  /** The sweep, or another gateway, has ended it. */
  async function findEnd(session: LiveSession): Promise<void> {
    if (isOver(session)) return;
    const row = await readRow(session);
    if (row) ending.foundEnded(session, row);
  }

  async function seedPeriod(session: LiveSession, period: number): Promise<void> {
    const { org, user } = session;
    const names = [organizationBudget(org, period), memberBudget(org, user, period)];
    const isSeeded = await seeding.seed(org, names).catch((error) => {
      log.warn({ err: error, org }, 'the next period waits for Postgres');
      return false;
    });
    if (isSeeded && !isOver(session)) words.say(session);
  }

  /** It has moved to another period: other budgets, another mark. */
  async function refresh(session: LiveSession): Promise<void> {
    const row = await readRow(session);
    if (!row || hub.get(session.org, session.id) !== session) return;
    takeRow(session, row);
    const names = [
      organizationBudget(row.org, row.period),
      memberBudget(row.org, row.user, row.period),
      ...[...session.joined.keys()].filter((name) => parseBudgetName(name).scope === 'session'),
    ];
    const reply = await meter.readBudgets(row.org, names).catch(() => null);
    if (reply?.status !== 'ok') return;
    join(session, row, reply.budgets);
    review(session);
  }

  return {
    ...{ hub, budgets, telling, ending, hearing, admission, recovery, time },

    bind({ session, opened }, wire) {
      const earlier = hub.get(session.org, session.id);
      const earlierWire = earlier?.wire;
      if (earlier) {
        earlier.wire = null;
        earlier.phase = { kind: 'ended' };
      }
      hub.add(session);
      answered(opened.now);
      join(session, opened.session, opened.budgets);
      options.minutes.ready(shardOf(session.org), opened.minutes);
      session.wire = wire;
      session.heardAt = monotonicMs();
      earlierWire?.close(CloseCode.superseded, 'superseded');
      // Time begins at the sending of `started` (rule 2).
      if (opened.status === 'opened') session.stopwatch.provenAt = monotonicMs();
      wire.send(telling.started(session, opened.status === 'resumed'));
      if (opened.session.stoppedBy !== '') void findStop(session);
      else review(session);
    },

    heard(event) {
      switch (event.kind) {
        case 'budget':
          return budgets.apply([event.row]);
        case 'stop': {
          const session = hub.get(event.org, event.session);
          if (session) ending.stop(session, 'stoppedByOperator', 'session');
          return;
        }
        case 'superseded': {
          const session = hub.get(event.org, event.session);
          const { generation, counter } = event.epoch;
          const own = session?.epoch;
          const isOlder =
            own &&
            (own.generation < generation ||
              (own.generation === generation && own.counter < counter));
          if (session && isOlder) superseded(session);
          return;
        }
        case 'retired':
          return hub.forget(event.org, event.session);
        case 'recovered':
          return void recovery.recovered(event.shard);
      }
    },

    meterSilentMs: () => monotonicMs() - answeredAt,

    async stop() {
      await ticker.stop();
      await deadlines.stop();
      await batch.idle();
      ending.stopAll();
      await recovery.stop();
    },
  };
}
