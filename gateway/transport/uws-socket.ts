/** One socket of uWebSockets.js. A native socket throws when it is touched after its end. */
import type { WebSocket } from 'uWebSockets.js';
import { CloseCode } from '../../core/protocol/close-codes.ts';
import { MAX_FIRST_MESSAGE_BYTES } from '../../core/protocol/limits.ts';
import type { Socket, SocketHandler } from './socket.ts';
import { CLOSE_TIMEOUT_MS } from './transport.ts';

/** What a native socket carries from its upgrade on. */
export interface Carried {
  socket: UwsSocket;
}
type NativeSocket = WebSocket<Carried>;

/** A class, for its methods are shared: closures per connection would be most of its memory. */
export class UwsSocket implements Socket {
  readonly remoteAddress: string;
  handler: SocketHandler | null = null;
  /** null: not open yet, or closed */
  #native: NativeSocket | null = null;
  /** A close that waits until everything before it is sent. */
  #closing: { code: number; reason: string; timer: NodeJS.Timeout } | null = null;

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress;
  }

  opened(native: NativeSocket): void {
    this.#native = native;
  }

  send(texts: readonly string[]): void {
    const native = this.#native;
    if (native === null || this.#closing !== null) return;
    if (texts.length === 1) {
      native.send(texts[0]!);
      return;
    }
    // In one write to the network, up to its 16 KB.
    native.cork(() => {
      for (const text of texts) native.send(text);
    });
  }

  /**
   * A native end can't be hurried afterwards, and a peer that reads a byte now and then keeps it
   * waiting forever. So it comes only when nothing is unsent, and has a deadline until then.
   */
  close(code: number, reason: string): void {
    const native = this.#native;
    if (native === null || this.#closing !== null) return;
    if (native.getBufferedAmount() === 0) native.end(code, reason);
    else {
      const timer = setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS);
      this.#closing = { code, reason, timer };
    }
  }

  terminate(): void {
    this.#native?.close();
  }

  unsentBytes(): number {
    return this.#native?.getBufferedAmount() ?? 0;
  }

  /** Called by the native socket, whose bytes are gone once this returns: a string is a copy. */
  heard(message: ArrayBuffer, isBinary: boolean): void {
    if (this.#closing !== null) return;
    const { byteLength } = message;
    if (byteLength > MAX_FIRST_MESSAGE_BYTES) this.close(CloseCode.tooBig, 'tooBig');
    else if (isBinary) this.handler?.malformed('Messages are text frames; this one was binary.');
    else this.handler?.message(Buffer.from(message).toString(), byteLength);
  }

  drained(): void {
    if (this.#closing === null || this.#native?.getBufferedAmount() !== 0) return;
    const { code, reason } = this.#closing;
    this.#native.end(code, reason);
  }

  /** Called by the native socket once, from within `end` and `close` too. */
  ended(code: number): void {
    this.#native = null;
    if (this.#closing !== null) clearTimeout(this.#closing.timer);
    this.handler?.closed(code);
  }
}
