/**
 * What a recorder and the meter say to each other about one session, over however many
 * connections: it answers ticks, carries pause and stop across losses, and sees that the recording
 * is saved when it must stop. It shows what happened as events; it keeps no state to look at.
 */
import { CloseCode, closeName } from '../core/protocol/close-codes.ts';
import { DEFAULT_INTERVAL_MS, DEFAULT_TIMEOUT_MS } from '../core/protocol/limits.ts';
import type {
  Beat,
  RecorderState,
  Refused,
  Saved,
  ServerMessage,
  Started,
  Stop,
} from '../core/protocol/messages.ts';
import { Claim } from './claim.ts';
import { GatewayList } from './gateway-list.ts';
import { Link, type LinkHost, type LinkMeans } from './link.ts';
import type { MeterClientOptions } from './options.ts';
import type { MeterEvent } from './reducer.ts';
import { isLive, isOver, type MeterState, type Refusal, type StopNotice } from './state.ts';
import { Stopwatch } from './stopwatch.ts';

export interface ConversationHost {
  state(): MeterState;
  tell(event: MeterEvent): void;
}

export class Conversation implements LinkHost {
  readonly #options: MeterClientOptions;
  readonly #host: ConversationHost;
  readonly #means: LinkMeans;
  readonly #link: Link;
  readonly #claim: Claim;
  readonly stopwatch: Stopwatch;
  /** Of the last tick on this connection. */
  #seq = 0;
  /** Said, or to be said as soon as the connection is back. */
  #stopMessage: Stop | null = null;
  #savedMessage: Saved | null = null;
  #saving = false;
  #silenceMs = DEFAULT_INTERVAL_MS + DEFAULT_TIMEOUT_MS;

  constructor(
    options: MeterClientOptions,
    means: Omit<LinkMeans, 'gateways'>,
    host: ConversationHost,
  ) {
    const gateways = new GatewayList(options.urls ?? []);
    this.#options = options;
    this.#host = host;
    this.#means = { ...means, gateways };
    this.#link = new Link(this, this.#means);
    this.#claim = new Claim(options, gateways, means.clock);
    this.stopwatch = new Stopwatch(host.state().speed);
  }

  begin(): void {
    const kept = this.#claim.begin();
    this.stopwatch.reset(kept?.recordedMs ?? 0);
    this.#stopMessage = null;
    this.#savedMessage = null;
    this.#saving = false;
    this.tell({ type: 'requested', session: this.#claim.session });
    this.#link.renew();
  }

  /** What the recorder does now; the meter learns it at once, or with the next `started`. */
  setRecorder(recorder: RecorderState): void {
    const nowMs = this.#nowMs();
    const { phase } = this.#host.state();
    if (phase === 'recording' || phase === 'paused') {
      this.#sendBeat(recorder);
      if (recorder === 'recording') this.stopwatch.run(nowMs);
      else this.stopwatch.halt(nowMs);
    }
    this.tell({ type: 'recorder', recorder, nowMs });
  }

  stop(reason: string | undefined): void {
    const nowMs = this.#nowMs();
    this.stopwatch.halt(nowMs);
    const given = reason === undefined ? {} : { reason };
    this.#stopMessage = { type: 'stop', ...this.#captured(), ...given };
    this.#link.send(this.#stopMessage);
    this.tell({ type: 'stopping', nowMs });
  }

  leave(): void {
    this.#link.close();
    const nowMs = this.#nowMs();
    this.stopwatch.halt(nowMs);
    this.tell({ type: 'detached', nowMs });
  }

  reconnect(afterMs: number): void {
    this.#link.renew(afterMs);
  }

  wake(): void {
    // Before it is live a person may be asked for it, and once is enough.
    this.#link.wake(this.#claim.begun);
  }

  // What the link asks and tells.

  firstMessage() {
    return this.#claim.firstMessage(this.#captured());
  }

  failed(error: unknown): boolean {
    const detail = error instanceof Error ? error.message : String(error);
    this.tell({ type: 'problem', detail });
    if (this.#claim.begun) return true;
    this.#refuse({ code: 'ticketUnavailable', detail, binding: null, reading: null, actions: [] });
    return false;
  }

  tell(event: MeterEvent): void {
    this.#host.tell(event);
  }

  hear(message: ServerMessage): void {
    const nowMs = this.#nowMs();
    this.#take(message, nowMs);
    this.#options.onMessage?.(message, nowMs);
  }

  #take(message: ServerMessage, nowMs: number): void {
    if (message.type === 'tick') {
      // The beat first: it proves time, and nothing that listeners do may delay it.
      this.#seq = message.seq;
      this.#sendBeat();
      this.stopwatch.prove(nowMs);
    }
    if (message.type === 'started') this.#started(message, nowMs);
    if (message.type === 'stop' || message.type === 'ended') this.stopwatch.halt(nowMs);
    if ('checkpoint' in message) {
      this.#claim.keep(message.checkpoint, this.stopwatch.recordedMs(nowMs));
    }
    this.tell({ type: 'message', message, nowMs });
    switch (message.type) {
      case 'stop':
        this.#stopped(message.saveWindowMs);
        return;
      case 'refused':
        this.#refused(message);
        return;
      case 'ended':
        this.#claim.release();
        this.#link.close();
        return;
      case 'queued':
        this.#link.allowSilence(message.retryAfterMs + this.#silenceMs);
        return;
      case 'draining':
        this.#link.drain(message.retryAfterMs);
        return;
      default:
        return;
    }
  }

  dismissed(code: number): void {
    const { phase, problem } = this.#host.state();
    if (phase === 'stopping') {
      this.#claim.release();
      this.tell({ type: 'over' });
      return;
    }
    const detail =
      problem ?? `The gateway closed the connection: ${closeName(code)} (${String(code)}).`;
    this.#refuse({ code: closeName(code), detail, binding: null, reading: null, actions: [] });
  }

  turnedAway(refusal: Refusal): void {
    this.#refuse(refusal);
  }

  closing(code: number): void {
    if (code === CloseCode.ticketStale) this.#claim.stale();
  }

  #nowMs(): number {
    return this.#means.clock.nowMs();
  }

  #captured(): { capturedMs?: number } {
    const capturedMs = this.#options.capturedMs?.() ?? Number.NaN;
    return Number.isFinite(capturedMs) ? { capturedMs: Math.max(0, Math.round(capturedMs)) } : {};
  }

  #sendBeat(state?: RecorderState): void {
    const beat: Beat = { type: 'beat', seq: this.#seq, ...this.#captured() };
    if (state !== undefined) beat.state = state;
    this.#link.send(beat);
  }

  #started(message: Started, nowMs: number): void {
    const first = !this.#claim.begun;
    this.#claim.started(message.session);
    this.#seq = 0;
    this.#silenceMs = message.intervalMs + message.timeoutMs;
    if (message.speed !== undefined) this.stopwatch.setSpeed(message.speed, nowMs);
    this.#link.settled(this.#silenceMs);
    // A session that was live before this recorder came: what went before is the meter's to say.
    if (first) this.stopwatch.reset(message.resumed ? message.reading.sessionMs : 0);
    else this.stopwatch.bridge(nowMs, this.#silenceMs);
    const { phase, recorder } = this.#host.state();
    if (phase === 'stopping') {
      if (this.#stopMessage !== null) this.#link.send(this.#stopMessage);
      return;
    }
    if (recorder === 'recording') this.stopwatch.run(nowMs);
    if (recorder !== message.state) this.#sendBeat(recorder);
  }

  #stopped(saveWindowMs: number): void {
    // Nothing need be heard within the save window but its end.
    this.#link.allowSilence(Math.max(this.#silenceMs, saveWindowMs + DEFAULT_TIMEOUT_MS));
    const { stop } = this.#host.state();
    // Repeated after a resume: the answer may have been lost with the connection.
    if (this.#savedMessage !== null) this.#link.send(this.#savedMessage);
    else if (stop !== null) void this.#save(stop);
  }

  #refused(message: Refused): void {
    const { code, detail, actions, ended, binding = null, reading = null } = message;
    const state = this.#host.state();
    if (state.phase === 'stopping' && code.startsWith('session')) {
      // It is over; the `ended` was lost with a connection.
      this.#link.close();
      this.#claim.release();
      this.tell({ type: 'over', ...(ended && { ended }) });
    } else if (isLive(state) && code === 'meterUnavailable') {
      this.#link.retryLater();
    } else if (this.#claim.refused(code)) {
      this.#link.renew();
    } else if (isLive(state) && code === 'ticketStale') {
      // Some clock is wrong: no reason to stop a recording. Its session ends if that lasts.
      this.#claim.stale();
      this.#link.retryLater();
    } else {
      this.#refuse({ code, detail, binding, reading, actions, ...(ended && { ended }) });
    }
  }

  /** Final. Before `started` it is a refusal; after it the recording must be stopped and saved. */
  #refuse(refusal: Refusal): void {
    this.#link.close();
    this.#claim.release();
    if (!isLive(this.#host.state())) {
      this.tell({ type: 'refused', refusal });
      return;
    }
    const nowMs = this.#nowMs();
    this.stopwatch.halt(nowMs);
    const { code, ended, ...rest } = refusal;
    const stop: StopNotice = { reason: code, ...rest, saveWindowMs: 0 };
    this.tell({ type: 'lost', stop, nowMs, ...(ended && { ended }) });
    void this.#save(stop);
  }

  /** Once a session, whatever happens to the connection meanwhile. */
  async #save(stop: StopNotice): Promise<void> {
    if (this.#saving) return;
    this.#saving = true;
    const { session } = this.#claim;
    this.tell({ type: 'saving' });
    const saved: Saved = { type: 'saved', ok: true };
    try {
      await this.#options.onStop?.(stop);
    } catch (error) {
      saved.ok = false;
      saved.detail = error instanceof Error ? error.message : String(error);
    }
    if (session !== this.#claim.session) return;
    this.#savedMessage = { ...saved, ...this.#captured() };
    this.tell({ type: 'saved', ok: saved.ok });
    if (!isOver(this.#host.state())) this.#link.send(this.#savedMessage);
  }
}
