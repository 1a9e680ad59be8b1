/**
 * One connection, from its first byte to its one `closed`. It knows frames, silence and close
 * codes, nothing of sessions. A browser's WebSocket and that of `ws` both fit.
 */
import { decodeServerMessage, encode } from '../core/protocol/codec.ts';
import type { ClientMessage, ServerMessage } from '../core/protocol/messages.ts';
import { SUBPROTOCOL } from '../core/protocol/messages.ts';
import type { Clock } from './clock.ts';

/** Written as a method so that listeners for any kind of event fit, in browsers and in `ws`. */
type Listener = { hear(event: object): void }['hear'];

/** The part of a WebSocket that is used. */
export interface SocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  /** `ws` has it: a connection that is silent would not answer a closing handshake either. */
  terminate?(): void;
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: Listener): void;
}
export type SocketConstructor = new (url: string, protocols?: string | string[]) => SocketLike;

/** No close frame was seen, or none was waited for. */
export const LOST_CODE = 1006;
const OPEN = 1;

export interface ConnectionEvents {
  opened(): void;
  message(message: ServerMessage): void;
  /** The server said something this client cannot read. It is skipped. */
  unreadable(detail: string): void;
  /** Once, and the last event. `opened` tells whether the upgrade was accepted. */
  closed(code: number, opened: boolean): void;
}

export class Connection {
  readonly #clock: Clock;
  readonly #socket: SocketLike;
  #events: ConnectionEvents | null;
  #opened = false;
  #heardMs: number;
  #allowedSilenceMs: number;
  #cancelWatch: () => void;

  /**
   * One that has not opened after `openingMs` is given up. May throw what the WebSocket constructor
   * throws: a URL it does not accept.
   */
  constructor(
    Socket: SocketConstructor,
    url: string,
    openingMs: number,
    clock: Clock,
    events: ConnectionEvents,
  ) {
    this.#clock = clock;
    this.#events = events;
    this.#heardMs = clock.nowMs();
    this.#allowedSilenceMs = openingMs;
    this.#socket = new Socket(url, [SUBPROTOCOL]);
    this.#socket.addEventListener('open', () => this.#open());
    this.#socket.addEventListener('message', (event: { data: unknown }) => this.#hear(event.data));
    this.#socket.addEventListener('close', (event: { code: number }) => this.#end(event.code));
    // An error is always followed by a close, which decides; unheard it would throw in Node.
    this.#socket.addEventListener('error', () => {});
    this.#cancelWatch = clock.after(openingMs, () => this.#watch());
  }

  /** Whether it went out; a message that did not is said again after the resume. */
  send(message: ClientMessage): boolean {
    if (this.#events === null || this.#socket.readyState !== OPEN) return false;
    this.#socket.send(encode(message));
    return true;
  }

  /** Hearing nothing for longer than this means that the connection is dead. */
  allowSilence(ms: number): void {
    const sooner = ms < this.#allowedSilenceMs;
    this.#allowedSilenceMs = ms;
    if (sooner) this.#watch();
  }

  /** Lets the connection go without a word: no event follows. */
  abandon(code = 1000): void {
    if (this.#events === null) return;
    this.#events = null;
    this.#cancelWatch();
    if (code === LOST_CODE && this.#socket.terminate !== undefined) this.#socket.terminate();
    else this.#socket.close(code === LOST_CODE ? 1000 : code);
  }

  /** For a device that slept: its timers may have slept too. */
  checkSilence(): void {
    this.#watch();
  }

  #open(): void {
    if (this.#events === null) return;
    this.#opened = true;
    this.#heardMs = this.#clock.nowMs();
    this.#events.opened();
  }

  #hear(data: unknown): void {
    if (this.#events === null) return;
    this.#heardMs = this.#clock.nowMs();
    if (typeof data !== 'string') {
      this.#events.unreadable('The gateway sent a binary frame.');
      return;
    }
    const message = decodeServerMessage(data);
    if (message.type !== 'bad') this.#events.message(message);
    // Servers may say more within v1 than this client has words for: no problem of anybody's.
    else if (!message.isUnknownType) this.#events.unreadable(message.detail);
  }

  /** One timer that looks now and then, instead of one that is moved with every message. */
  #watch(): void {
    if (this.#events === null) return;
    this.#cancelWatch();
    const leftMs = this.#heardMs + this.#allowedSilenceMs - this.#clock.nowMs();
    if (leftMs > 0) {
      this.#cancelWatch = this.#clock.after(leftMs, () => this.#watch());
      return;
    }
    const events = this.#events;
    this.abandon(LOST_CODE);
    events.closed(LOST_CODE, this.#opened);
  }

  #end(code: number): void {
    const events = this.#events;
    if (events === null) return;
    this.#events = null;
    this.#cancelWatch();
    events.closed(code, this.#opened);
  }
}
