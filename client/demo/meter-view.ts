/** The state of the meter on the page. Reads a state and a projection; decides nothing. */
import { initialState, type MeterState, type Projection, project, type Reading } from '../index.ts';
import { element, setText } from './element.ts';
import { clock, day, left, passed, timeOfDay } from './format.ts';
import { budgetName } from './sentences.ts';

const PHASES: Record<MeterState['phase'], string> = {
  idle: 'Ready to record',
  starting: 'Starting…',
  queued: 'Waiting for a free place…',
  recording: 'Recording',
  paused: 'Paused',
  stopping: 'Saving…',
  ended: 'Stopped',
  refused: 'Not recording',
  lost: 'Stopped',
  detached: 'Ready to record',
};

/** Within the last ten minutes a deadline is worth its seconds. */
const SECONDS_WITHIN_MS = 600_000;

/** What colour the bar has: how much of the plan is used, or that it is bought time. */
export function barLevel(source: string, percent: number): string {
  if (source === 'extra' || source === 'overage') return source;
  if (percent >= 90) return 'close';
  return percent >= 80 ? 'near' : 'plenty';
}

export class MeterView {
  readonly #speed: number;
  readonly #phase = element('phase');
  readonly #time = element('session-time');
  readonly #connection = element('connection');
  readonly #budget = element('budget');
  readonly #used = element('used');
  readonly #limit = element('limit');
  readonly #bar = element('bar');
  readonly #fill = element('bar-fill');
  readonly #extraZone = element('bar-extra');
  readonly #percent = element('percent');
  readonly #period = element('period');
  readonly #remaining = element('remaining');
  readonly #extra = element('extra');
  readonly #deadline = element('deadline');
  readonly #deadlineIn = element('deadline-in');
  readonly #burn = element('burn');
  readonly #burnRate = element('burn-rate');
  readonly #burnNote = element('burn-note');

  constructor(speed: number) {
    this.#speed = speed;
  }

  /** With every frame. `nowMs` is on the client's monotonic clock. */
  show(state: MeterState, now: Projection, nowMs: number): void {
    document.body.dataset.phase = state.phase;
    document.body.dataset.connection = state.connection.is;
    document.body.dataset.save = state.save;
    const place = state.queue === null ? '' : ` (number ${state.queue.position})`;
    setText(this.#phase, PHASES[state.phase] + place);
    setText(this.#time, clock(now.sessionMs));
    setText(this.#connection, this.#connectionText(state, nowMs));
    if (state.reading === null) return;
    this.#showUse(state.reading, now);
    this.#showDeadline(state, now);
    this.#burn.hidden = now.burnRate <= 1;
    setText(this.#burnRate, `× ${now.burnRate}`);
    setText(this.#burnNote, `${now.burnRate} recorders share it`);
  }

  /** What is left, while there is no session. */
  showBudget(reading: Reading): void {
    this.#showUse(reading, project({ ...initialState, reading }, 0));
  }

  #connectionText(state: MeterState, nowMs: number): string {
    const { connection, problem } = state;
    switch (connection.is) {
      case 'none':
        return 'Ready';
      case 'open':
        return connection.draining ? 'Moving to another gateway' : 'Live';
      case 'connecting':
        return connection.attempt === 0 ? 'Connecting…' : 'Reconnecting…';
      case 'waiting': {
        const seconds = Math.ceil(Math.max(0, connection.untilMs - nowMs) / 1000);
        return `Reconnecting in ${seconds} s${problem === null ? '' : ` – ${problem}`}`;
      }
    }
  }

  #showUse({ binding, source, periodEndsAt }: Reading, now: Projection): void {
    setText(this.#budget, budgetName(binding));
    setText(this.#used, passed(now.usedMs));
    const { limitMs, remainingMs } = now;
    setText(this.#limit, limitMs === null ? 'used, unlimited' : `of ${passed(limitMs)} used`);
    const share = limitMs === null || limitMs === 0 ? 0 : (100 * now.usedMs) / limitMs;
    const level = barLevel(source, now.percent);
    this.#bar.dataset.level = level;
    this.#bar.setAttribute('aria-valuenow', String(Math.floor(share)));
    this.#fill.style.width = `${share}%`;
    // While the plan lasts, bought minutes are what the bar has at its end.
    const bought = source === 'plan' && limitMs ? (100 * now.extraRemainingMs) / limitMs : 0;
    this.#extraZone.style.width = `${bought}%`;
    const ofPlan = `${Math.floor(now.percent)} % of the plan`;
    const names: Partial<Record<string, string>> = {
      extra: 'On extra minutes',
      overage: 'Overage',
    };
    setText(this.#percent, limitMs === null ? '' : (names[source] ?? ofPlan));
    setText(this.#period, periodEndsAt === null ? '' : `New period on ${day(periodEndsAt)}`);
    setText(this.#remaining, remainingMs === null ? 'Unlimited' : left(remainingMs));
    const extra = now.extraRemainingMs > 0 ? `${left(now.extraRemainingMs)} of it extra` : '';
    setText(this.#extra, extra);
  }

  #showDeadline(state: MeterState, now: Projection): void {
    const runs = state.phase === 'recording' || state.phase === 'paused';
    if (!runs || now.endsAt === null || now.endsInMs === null) {
      setText(this.#deadline, '–');
      setText(this.#deadlineIn, runs ? 'no end in sight' : '');
      return;
    }
    // On the test clock the deadline is an instant of meter time; else the viewer's clock decides.
    const real = this.#speed === 1;
    const at = real ? Date.now() + now.endsInMs : now.endsAt;
    // A second late is a wrong second: rounded, so that jitter between ticks does not show.
    const steadyAt = Math.round(at / 1000) * 1000;
    setText(this.#deadline, timeOfDay(steadyAt, now.endsInMs < SECONDS_WITHIN_MS || !real));
    const realSeconds = Math.ceil(now.endsInMs / this.#speed / 1000);
    const inReal = real ? '' : ` (${realSeconds} real s)`;
    setText(this.#deadlineIn, `in ${left(now.endsInMs)}${inReal}`);
  }
}
