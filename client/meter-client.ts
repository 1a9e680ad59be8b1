/**
 * A recorder's end of a session: starts it, answers every tick, pauses, stops, comes back after any
 * loss, and sees that the recording is saved when it must stop. What it shows is a value of
 * state.ts; `subscribe` and `getState` fit React's useSyncExternalStore as they are.
 */
import { systemClock } from './clock.ts';
import { Conversation } from './conversation.ts';
import type { MeterClientOptions } from './options.ts';
import { type Projection, project } from './projection.ts';
import { type MeterEvent, reduce } from './reducer.ts';
import type { SocketConstructor } from './socket.ts';
import { initialState, isLive, isOver, type MeterState } from './state.ts';

export type MeterListener = (state: MeterState, event: MeterEvent) => void;

export class MeterClient {
  readonly #conversation: Conversation;
  readonly #listeners = new Set<MeterListener>();
  readonly #nowMs: () => number;
  #state: MeterState;

  /** Throws a TypeError for options that cannot work. */
  constructor(options: MeterClientOptions) {
    const Socket = options.WebSocket ?? (globalThis.WebSocket as SocketConstructor | undefined);
    if (Socket === undefined) {
      throw new TypeError('This runtime has no WebSocket: give the one of `ws` as an option');
    }
    const clock = options.clock ?? systemClock;
    this.#nowMs = () => clock.nowMs();
    this.#state = { ...initialState, speed: options.speed ?? 1 };
    const means = {
      Socket,
      clock,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      random: options.random ?? Math.random,
    };
    this.#conversation = new Conversation(options, means, {
      state: this.getState,
      tell: (event) => this.#tell(event),
    });
  }

  readonly getState = (): MeterState => this.#state;

  /** Called after every change of state, with the event that changed it. Returns its end. */
  readonly subscribe = (listener: MeterListener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** What holds right now, between two readings. */
  at(nowMs = this.#nowMs()): Projection {
    return project(this.#state, nowMs);
  }

  /** Recorded by this client's own clock, whatever the meter said. Meter time, with a fraction. */
  get recordedMs(): number {
    return this.#conversation.stopwatch.recordedMs(this.#nowMs());
  }

  /** Recorded here, but in gaps too long to count. Meter time. */
  get droppedMs(): number {
    return this.#conversation.stopwatch.droppedMs;
  }

  /** The last that the meter acknowledged of this session: charged and overshoot. */
  get acknowledgedMs(): number {
    return this.#state.summary?.recordedMs ?? this.#state.reading?.sessionMs ?? 0;
  }

  /**
   * Starts the session, or resumes the one that the store still holds. Resolves when it is live, or
   * when it will not be (`refused`, `lost`, `detached`); it never rejects.
   */
  start(): Promise<MeterState> {
    const { phase } = this.#state;
    if (!isLive(this.#state) && phase !== 'starting' && phase !== 'queued') {
      this.#conversation.begin();
    }
    return this.#until((state) => isLive(state) || isOver(state) || state.phase === 'detached');
  }

  pause(): void {
    if (this.#state.recorder === 'recording') this.#conversation.setRecorder('paused');
  }

  resume(): void {
    if (this.#state.recorder === 'paused') this.#conversation.setRecorder('recording');
  }

  /** Ends the session. Resolves when it is over, for which a lost connection must first come back. */
  stop(reason?: string): Promise<MeterState> {
    const { phase } = this.#state;
    if (phase === 'recording' || phase === 'paused') this.#conversation.stop(reason);
    else if (phase !== 'stopping') this.close();
    return this.over();
  }

  /** Resolves when the session is over, or let go. */
  over(): Promise<MeterState> {
    return this.#until((state) => isOver(state) || ['idle', 'detached'].includes(state.phase));
  }

  /** Lets go without ending: the session can be resumed for the resume window. */
  close(): void {
    if (!isOver(this.#state) && this.#state.phase !== 'idle') this.#conversation.leave();
  }

  /** Leaves this connection as a failing network would, and comes back after `afterMs`. */
  reconnect(afterMs = 0): void {
    if (isLive(this.#state)) this.#conversation.reconnect(afterMs);
  }

  /** For `online` events and devices that woke up: no more waiting. */
  wake(): void {
    this.#conversation.wake();
  }

  #until(done: (state: MeterState) => boolean): Promise<MeterState> {
    if (done(this.#state)) return Promise.resolve(this.#state);
    return new Promise((resolve) => {
      const end = this.subscribe((state) => {
        if (!done(state)) return;
        end();
        resolve(state);
      });
    });
  }

  #tell(event: MeterEvent): void {
    const before = this.#state;
    this.#state = reduce(before, event);
    if (this.#state === before) return;
    for (const listener of this.#listeners) {
      try {
        listener(this.#state, event);
      } catch (error) {
        // A view that fails must not stop the meter: the error is shown where errors are shown.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
