/**
 * One simulated recorder: the product's own client on a real socket, following a script, and a log of
 * its own. What a person does (pause, record, stop) waits for the connection: a pause that the meter
 * could not be told of would count as recorded, by rule 2, and rightly so.
 */
import {
  isLive,
  isOver,
  MeterClient,
  type MeterEvent,
  type MeterState,
  type ServerMessage,
  type SessionEnd,
  type SocketConstructor,
  seededRandom,
  type Threshold,
} from '../client/index.ts';
import { Doubt } from './doubt.ts';
import { machineClock, machineNowMs } from './machine-clock.ts';
import type { RecorderLog } from './recorder-log.ts';
import { RecordingTime } from './recording-time.ts';
import type { RecorderScript, Step } from './scenario.ts';
import { StampedSocket } from './stamped-socket.ts';

export interface RecorderMeans {
  /** all gateways; the script says which comes first */
  urls: readonly string[];
  ticket(script: RecorderScript): Promise<string>;
  /** when the run began, on the machine's clock */
  runStartMs: number;
  /** whether logs keep every message */
  isTraced: boolean;
  /** heard how it ended: now is the time to ask the meter what it has */
  ended(log: RecorderLog): void;
}

export class Recorder {
  readonly #script: RecorderScript;
  readonly #means: RecorderMeans;
  readonly #client: MeterClient;
  readonly #time = new RecordingTime();
  readonly #doubt = new Doubt();
  readonly #log: RecorderLog;
  #socket: StampedSocket | null = null;
  #gateway = '';
  #awayFromMs: number | null = null;
  #leftMs = 0;
  #joinedAtMs = 0;
  #longestGapMs = 0;
  /** ids heard on the present connection */
  #heardHere = new Set<string>();
  /** steps that wait for the connection */
  #waiting: Step[] = [];
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};
  #isClosed = false;

  constructor(script: RecorderScript, means: RecorderMeans) {
    this.#script = script;
    this.#means = means;
    const { org, user, session, gateway } = script;
    this.#log = {
      ...{ org, user, session, recording: this.#time.spans, away: [], connections: 0 },
      ...{ joinMs: null, ticks: 0, acknowledgedMs: null, ended: null, warnings: [], stop: null },
      ...{ refused: null, phase: 'idle', complaints: [], unsureMs: 0, hasVanished: false },
    };
    const { urls, isTraced } = means;
    if (isTraced) this.#log.heard = [];
    this.#client = new MeterClient({
      urls: urls.map((_, i) => urls[(gateway + i) % urls.length]!),
      getTicket: () => means.ticket(script),
      session,
      WebSocket: this.#socketConstructor(),
      clock: machineClock,
      random: seededRandom(script.seed),
      onStop: () => new Promise((resolve) => setTimeout(resolve, script.savingMs)),
      onMessage: (message) => this.#heard(message, this.#socket?.heardAtMs ?? machineNowMs()),
    });
    this.#client.subscribe((state, event) => this.#changed(state, event));
  }

  /** Joins when it is time, and does what the script says. Resolves when it is over. */
  async run(): Promise<void> {
    await this.#until(this.#script.joinAtMs);
    if (this.#isClosed) return;
    this.#joinedAtMs = machineNowMs();
    void this.#client.start();
    for (const step of this.#script.steps) {
      await this.#until(step.atMs);
      if (isOver(this.state) || this.#isClosed) return;
      this.#take(step);
    }
    if (this.#isClosed) return;
    await this.#client.over();
  }

  /** Lets go of everything; for a run that is given up. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
    clearTimeout(this.#timer);
    this.#wake();
  }

  get state(): MeterState {
    return this.#client.getState();
  }

  /** The log so far; final once `run` has resolved. */
  log(): RecorderLog {
    this.#log.phase = this.#client.getState().phase;
    this.#log.unsureMs = this.#doubt.ms;
    return this.#log;
  }

  /** Until then, or until it is over. */
  #until(atMs: number): Promise<void> {
    const delayMs = this.#means.runStartMs + atMs - machineNowMs();
    if (delayMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, delayMs);
    });
  }

  /** The client's socket, within reach of those who cut wires. */
  #socketConstructor(): SocketConstructor {
    const opened = (socket: StampedSocket, url: string) => {
      this.#socket = socket;
      this.#gateway = url;
    };
    return class extends StampedSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(url, protocols);
        opened(this, url);
      }
    };
  }

  #take(step: Step): void {
    const { connection } = this.state;
    const isConnected = isLive(this.state) && connection.is === 'open' && this.#awayFromMs === null;
    if (!isConnected || this.#waiting.length > 0) {
      // A loss that comes while it is away already is none.
      if (step.do !== 'lose' && step.do !== 'leave') this.#waiting.push(step);
      return;
    }
    this.#act(step);
  }

  #act(step: Step): void {
    const nowMs = machineNowMs();
    switch (step.do) {
      case 'pause':
        this.#client.pause();
        this.#doubt.said(nowMs);
        return this.#time.halt(nowMs);
      case 'record':
        this.#client.resume();
        this.#doubt.said(nowMs);
        if (this.state.phase === 'recording') this.#time.begin(nowMs);
        return;
      case 'stop':
        this.#time.halt(nowMs);
        this.#doubt.said(nowMs);
        return void this.#client.stop('done');
      case 'vanish':
        this.#time.halt(nowMs);
        this.#log.hasVanished = true;
        return this.close();
      case 'lose':
        this.#away(nowMs);
        return this.#socket?.terminate();
      case 'leave':
        this.#away(nowMs);
        this.#leftMs = step.awayMs;
        return this.#client.reconnect(step.awayMs);
    }
  }

  #away(nowMs: number): void {
    if (this.#log.connections > 0) this.#awayFromMs ??= nowMs;
  }

  #back(nowMs: number): void {
    if (this.#awayFromMs !== null) {
      const away = { fromMs: this.#awayFromMs, toMs: nowMs };
      this.#log.away.push(this.#leftMs > 0 ? { ...away, leftMs: this.#leftMs } : away);
    }
    this.#awayFromMs = null;
    this.#leftMs = 0;
  }

  #heard(message: ServerMessage, nowMs: number): void {
    const log = this.#log;
    if ('reading' in message) {
      const { sessionMs } = message.reading;
      log.heard?.push([nowMs, message.type, sessionMs, this.#gateway]);
    }
    switch (message.type) {
      case 'started':
        this.#back(nowMs);
        log.connections += 1;
        log.joinMs ??= nowMs - this.#joinedAtMs;
        this.#heardHere = new Set();
        this.#longestGapMs = message.intervalMs + message.timeoutMs;
        this.#doubt.connected(
          ...([nowMs, message.intervalMs, message.timeoutMs, this.#time.isRunning] as const),
        );
        this.#time.bridge(nowMs, this.#longestGapMs);
        if (this.state.phase === 'recording') this.#time.begin(nowMs);
        for (const warning of message.warnings) this.#warned(warning, nowMs, 'started');
        this.#acknowledge(message.reading.sessionMs);
        for (const step of this.#waiting.splice(0)) this.#act(step);
        return;
      case 'tick':
        log.ticks += 1;
        this.#doubt.ticked(
          nowMs,
          message.reading.sessionMs > (log.acknowledgedMs ?? 0),
          this.#time.isRunning,
        );
        this.#time.prove(nowMs);
        return this.#acknowledge(message.reading.sessionMs);
      case 'warning':
        if (this.#heardHere.has(message.id)) log.complaints.push(`told twice: ${message.id}`);
        this.#warned(message, nowMs, 'warning');
        return this.#acknowledge(message.reading.sessionMs);
      case 'stop': {
        this.#time.halt(nowMs);
        const { reason, binding } = message;
        log.stop ??= { reason, binding, atMs: nowMs, gateway: this.#gateway };
        return this.#acknowledge(message.reading.sessionMs);
      }
      case 'ended':
        return this.#ended(message, nowMs);
      case 'error':
        log.complaints.push(`error ${message.code}: ${message.detail}`);
        return;
      default:
        return;
    }
  }

  /** By the last word, or by what it is told on coming back, where that was lost. */
  #ended({ reason, summary }: SessionEnd, nowMs: number): void {
    const log = this.#log;
    this.#time.halt(nowMs);
    this.#back(nowMs);
    this.#doubt.ended(nowMs);
    const { recordedMs, overshootMs, bySource } = summary;
    if (log.ended) log.complaints.push('ended twice');
    log.ended = { reason, recordedMs, overshootMs, ...bySource };
    this.#means.ended(log);
  }

  #warned(
    warning: { id: string; threshold: Threshold; scope: string },
    atMs: number,
    by: 'warning' | 'started',
  ): void {
    const { id, threshold, scope } = warning;
    this.#heardHere.add(id);
    if (this.#log.warnings.some((known) => known.id === id)) return;
    const level = 'percent' in threshold ? threshold.percent : -threshold.remainingMs;
    this.#log.warnings.push({ id, level, scope, atMs, by, gateway: this.#gateway });
  }

  /** What was acknowledged once is never taken back (invariant 7). */
  #acknowledge(sessionMs: number): void {
    const before = this.#log.acknowledgedMs ?? 0;
    if (sessionMs < before) {
      this.#log.complaints.push(`acknowledged fell from ${before} to ${sessionMs} ms`);
    }
    this.#log.acknowledgedMs = Math.max(before, sessionMs);
  }

  #changed(state: MeterState, event: MeterEvent): void {
    if (event.type === 'waiting') this.#away(machineNowMs());
    if (event.type === 'refused') this.#log.refused = event.refusal.code;
    if (event.type === 'over' && event.ended) this.#ended(event.ended, machineNowMs());
    if (event.type === 'lost') this.#log.complaints.push(`lost: ${state.stop?.reason}`);
    if (isOver(state) || event.type === 'stopping') {
      this.#time.halt(machineNowMs());
    }
    if (!isOver(state)) return;
    this.#back(machineNowMs());
    clearTimeout(this.#timer);
    this.#wake();
  }
}
