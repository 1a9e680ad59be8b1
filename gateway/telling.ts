/** What a recorder is told: ticks, warnings, recoveries, sources, and its place when it starts. */
import { scopeOf } from '../core/meter/budget-name.ts';
import { sourceOf } from '../core/meter/projection.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import type {
  Action,
  Binding,
  EndReason,
  ExtraExpires,
  Reading,
  ServerMessage,
  Started,
} from '../core/protocol/messages.ts';
import type { Budgets } from './budgets.ts';
import type { CheckpointSeal } from './checkpoint.ts';
import { untoldOf } from './claim.ts';
import type { MeterTime } from './meter-time.ts';
import { due, type Holding, holdingOn, isNewSource, type ToldSource } from './notices.ts';
import { bindingOf, readingOf, readingText } from './reading.ts';
import { type LiveSession, nextTick, witnessOf } from './session.ts';
import { withWait } from './wait-action.ts';

export interface TellingOptions {
  budgets: Budgets;
  time: MeterTime;
  seal: CheckpointSeal;
  clock: { monotonicMs(): number; wallMs(): number };
  intervalMs: number;
  timeoutMs: number;
  /** the organization's next extra minutes to expire, as far as is known */
  extraExpires(org: string): ExtraExpires | null;
  /** pages of the app that sells minutes */
  links: { buyUrl: string | null; upgradeUrl: string | null };
}

export interface Telling {
  /** null where no budget of the session is known yet */
  reading(session: LiveSession): Reading | null;
  /** the same, or one that claims nothing */
  readingOrBare(session: LiveSession): Reading;
  /** The next `tick` as text: nothing else is said as often. */
  tickText(session: LiveSession): string;
  tick(session: LiveSession): void;
  started(session: LiveSession, resumed: boolean): Started;
  /** warnings, recoveries and a source that are due; told by the very act */
  news(session: LiveSession): ServerMessage[];
  checkpoint(session: LiveSession): string;
  /** what would help, most useful first */
  actions(binding: Binding): Action[];
  /** the same for a session that is stopped for a reason */
  actionsAt(session: LiveSession, reason: EndReason, binding: Binding): Action[];
}

export function createTelling(options: TellingOptions): Telling {
  const { budgets, time, seal, clock, links } = options;

  function rowsOf(session: LiveSession): BudgetRow[] {
    const rows: BudgetRow[] = [];
    for (const name of session.joined.keys()) {
      const row = budgets.get(name);
      if (row) rows.push(row);
    }
    return rows;
  }

  function reading(session: LiveSession, row = bindingOf(rowsOf(session))): Reading | null {
    return row ? readingOf(row, session.acknowledged.totalMs, time.now()) : null;
  }

  /** Between a recovery and the first reply no row is known: a reading that claims nothing. */
  function readingOrBare(session: LiveSession, row?: BudgetRow): Reading {
    return (
      reading(session, row) ?? {
        binding: 'organization',
        sessionMs: session.acknowledged.totalMs,
        usedMs: session.acknowledged.chargedMs,
        limitMs: null,
        remainingMs: null,
        percent: 0,
        source: session.told.source.source,
        extraRemainingMs: 0,
        burnRate: 0,
        endsAt: null,
        periodEndsAt: null,
        at: time.now(),
      }
    );
  }

  /** Where an organization's time is drawn from; null where its budget is not known now. */
  function sourceIn(rows: BudgetRow[]): ToldSource | null {
    const row = rows.find(({ name }) => scopeOf(name) === 'organization');
    return row ? { source: sourceOf(row), budget: row.name, version: row.version } : null;
  }

  function note(session: LiveSession, { state, row, version }: Holding): void {
    session.told.warnings.set(state.id, { budget: row.name, version });
  }

  function checkpoint(session: LiveSession): string {
    const sealedAt = Math.floor(clock.wallMs());
    return seal.seal(session.subject, sealedAt, witnessOf(session), untoldOf(session, time));
  }

  function actions(binding: Binding): Action[] {
    const buy: Action = { type: 'buyExtraMinutes', ...(links.buyUrl && { url: links.buyUrl }) };
    const upgrade: Action = { type: 'upgrade', ...(links.upgradeUrl && { url: links.upgradeUrl }) };
    switch (binding) {
      case 'organization':
        return [buy, upgrade];
      case 'member':
        return [{ type: 'askAdmin' }];
      case 'session':
      case 'plan':
      case 'feature':
      case 'day':
        return [upgrade];
      case 'concurrency':
        return [{ type: 'wait' }, upgrade];
    }
  }

  function actionsAt(session: LiveSession, reason: EndReason, binding: Binding): Action[] {
    switch (reason) {
      case 'meterUnavailable':
        return [{ type: 'wait' }];
      // No minutes help against either.
      case 'organizationSuspended':
        return [{ type: 'askAdmin' }];
      case 'stoppedByOperator':
        return [];
      case 'limitReached': {
        const rows = rowsOf(session).filter(({ name }) => scopeOf(name) === binding);
        return withWait(actions(binding), bindingOf(rows));
      }
      default:
        return actions(binding);
    }
  }

  function tickText(session: LiveSession): string {
    const row = bindingOf(rowsOf(session));
    const reading = row
      ? readingText(row, session.acknowledged.totalMs, time.now())
      : JSON.stringify(readingOrBare(session));
    const seq = nextTick(session, clock.monotonicMs());
    return `{"type":"tick","seq":${seq},"reading":${reading},"checkpoint":"${checkpoint(session)}"}`;
  }

  return {
    reading,
    readingOrBare,
    tickText,
    tick(session) {
      session.wire?.send(tickText(session));
    },

    started(session, resumed) {
      const rows = rowsOf(session);
      session.told.source = sourceIn(rows) ?? session.told.source;
      const holding = rows.flatMap(holdingOn);
      session.told.warnings.clear();
      for (const it of holding) note(session, it);
      return {
        type: 'started',
        session: session.id,
        epoch: session.epoch.counter,
        resumed,
        state: session.stopwatch.isRunning ? 'recording' : 'paused',
        intervalMs: options.intervalMs,
        timeoutMs: options.timeoutMs,
        saveWindowMs: session.limits.saveWindowMs,
        checkpoint: checkpoint(session),
        reading: readingOrBare(session),
        warnings: holding.map(({ state }) => state),
        speed: time.speed,
        extraExpires: options.extraExpires(session.org),
      };
    },

    news(session) {
      const rows = rowsOf(session);
      const messages: ServerMessage[] = [];
      const { warnings, recovered } = due(session.told.warnings, rows, session.joined);
      for (const id of recovered) {
        session.told.warnings.delete(id);
        messages.push({ type: 'recovered', id, reading: readingOrBare(session) });
      }
      for (const it of warnings) {
        note(session, it);
        const reading = readingOrBare(session, it.row);
        const offered = actions(scopeOf(it.row.name));
        messages.push({ type: 'warning', ...it.state, reading, actions: offered });
      }
      const from = session.told.source;
      const to = sourceIn(rows);
      if (to && isNewSource(from, to)) {
        session.told.source = to;
        const reading = readingOrBare(session);
        messages.push({ type: 'source', from: from.source, to: to.source, reading });
      }
      return messages;
    },

    checkpoint,
    actions,
    actionsAt,
  };
}
