/** One connection of the crowd: a plain TCP socket that speaks WebSocket by itself. */
import { connect, type Socket } from 'node:net';
import type { Dialect, Hearer, SessionName } from './dialect.ts';
import { maskedFrame, Opcode, readFrames } from './frame.ts';

/** What the group of a connection makes of what it hears. */
export interface CallerListener {
  ready(caller: Caller): void;
  ticked(caller: Caller, seq: number, bytes: number): void;
  /** the first of the above, as it was */
  sample(text: string): void;
  lost(caller: Caller, why: string): void;
}

export interface CallerOptions {
  port: number;
  name: SessionName;
  ticket: string;
  dialect: Dialect;
  listener: CallerListener;
}

const READ_BYTES = 64 * 1024;
/** All connections read into one: nothing is kept of it past its callback. */
const shared = Buffer.allocUnsafe(READ_BYTES);
const HEAD_END = '\r\n\r\n';
/** RFC 6455 wants 16 bytes; which does not matter here. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export class Caller implements Hearer {
  readonly name: SessionName;
  readonly #options: CallerOptions;
  readonly #socket: Socket;
  readonly #startedAtMs = performance.now();
  /** of the frame that is being heard */
  #frameBytes = 0;
  /** bytes of a frame that is not whole yet */
  #rest: Buffer | null = null;
  #isOpen = false;
  #isGone = false;
  heard = 0;
  sent = 0;
  lastSeq = 0;
  /** when what is waited for was sent; NaN: nothing is */
  askedAtMs = Number.NaN;
  isPaused = false;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.name = options.name;
    this.#socket = connect({
      ...{ port: options.port, host: '127.0.0.1', noDelay: true },
      onread: { buffer: shared, callback: (length) => this.#read(length) },
    });
    this.#socket.on('connect', () => this.#socket.write(this.#request()));
    this.#socket.on('error', (error) => this.failed(error.message));
    this.#socket.on('close', () => this.failed('the server closed the connection'));
  }

  #request(): string {
    const { dialect, name } = this.#options;
    const protocol = dialect.protocol ? `Sec-WebSocket-Protocol: ${dialect.protocol}\r\n` : '';
    return (
      `GET ${dialect.path(name)} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n` +
      `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n` +
      `${protocol}\r\n`
    );
  }

  #read(length: number): boolean {
    if (this.#isGone) return true;
    if (this.#rest === null) this.#take(shared, length);
    else {
      const whole = Buffer.concat([this.#rest, shared.subarray(0, length)]);
      this.#take(whole, whole.length);
    }
    return true;
  }

  #take(bytes: Buffer, end: number): void {
    let at = 0;
    if (!this.#isOpen) {
      const headEnd = bytes.subarray(0, end).indexOf(HEAD_END);
      if (headEnd < 0) {
        this.#rest = Buffer.from(bytes.subarray(0, end));
        return;
      }
      if (!bytes.toString('latin1', 0, headEnd).startsWith('HTTP/1.1 101')) {
        return this.failed(bytes.toString('latin1', 0, end));
      }
      this.#isOpen = true;
      at = headEnd + HEAD_END.length;
      this.#greet();
    }
    const view = at === 0 ? bytes : bytes.subarray(at, end);
    const read = readFrames(view, end - at, this.#heardFrame);
    this.#rest = at + read < end ? Buffer.from(view.subarray(read, end - at)) : null;
  }

  #greet(): void {
    const { dialect, name, ticket } = this.#options;
    const hello = dialect.hello(name, ticket);
    if (hello === null) this.ready();
    else this.say(hello);
  }

  readonly #heardFrame = (opcode: number, bytes: Buffer, from: number, to: number): void => {
    if (opcode === Opcode.text) {
      const { dialect, listener } = this.#options;
      const isFirst = this.heard === 0;
      this.#frameBytes = to - from;
      dialect.hear(this, bytes, from, to);
      if (isFirst && this.heard === 1) listener.sample(bytes.toString('utf8', from, to));
    } else if (opcode === Opcode.ping) {
      this.#socket.write(maskedFrame(Opcode.pong, bytes.toString('latin1', from, to)));
    } else if (opcode === Opcode.close) {
      this.failed(`closed: ${bytes.readUInt16BE(from)} ${bytes.toString('utf8', from + 2, to)}`);
    }
  };

  ready(): void {
    this.#options.listener.ready(this);
  }

  ticked(seq: number): void {
    this.heard += 1;
    this.lastSeq = seq;
    this.#options.listener.ticked(this, seq, this.#frameBytes);
  }

  say(text: string): void {
    this.#socket.write(maskedFrame(Opcode.text, text));
  }

  beat(seq: number): void {
    this.sent += 1;
    const capturedMs = Math.round(performance.now() - this.#startedAtMs);
    this.say(this.#options.dialect.beat(seq, capturedMs));
  }

  failed(why: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#socket.destroy();
    this.#options.listener.lost(this, why);
  }

  /** Leaves without a word; the listener hears nothing of it. */
  close(): void {
    this.#isGone = true;
    this.#socket.destroy();
  }
}
