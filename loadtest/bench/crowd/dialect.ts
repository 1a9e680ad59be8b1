/** How the crowd speaks with each kind of server: the same beat, in that server's own framing. */
import { SUBPROTOCOL } from '../../../core/protocol/messages.ts';

export interface SessionName {
  org: string;
  user: string;
  session: string;
}

/** What a dialect can do to the connection it hears for. */
export interface Hearer {
  /** ticks and answers so far */
  readonly heard: number;
  ready(): void;
  /** asked for a beat (this product), or answered (a peer) */
  ticked(seq: number): void;
  say(text: string): void;
  failed(why: string): void;
}

export interface Dialect {
  path(name: SessionName): string;
  protocol: string | null;
  /** said first, once the socket is open; null: nothing, it is ready */
  hello(name: SessionName, ticket: string): string | null;
  hear(hearer: Hearer, bytes: Buffer, from: number, to: number): void;
  beat(seq: number, capturedMs: number): string;
  /** a beat that changes the state, answered by a tick once the meter has it; null: every one is */
  flip: ((seq: number, isPaused: boolean) => string) | null;
}

export const DIALECTS = ['taximeter', 'plain', 'socketio'] as const;
export type DialectName = (typeof DIALECTS)[number];

const plainBeat = (seq: number, capturedMs: number) =>
  `{"type":"beat","seq":${seq},"capturedMs":${capturedMs}}`;

const TICK_HEAD = Buffer.from('{"type":"tick","seq":');
const ZERO = 48;
const NINE = 57;

function startsWith(head: Buffer, bytes: Buffer, from: number): boolean {
  for (let i = 0; i < head.length; i += 1) if (bytes[from + i] !== head[i]) return false;
  return true;
}

function digitsAt(bytes: Buffer, from: number): number {
  let value = 0;
  for (let at = from; bytes[at]! >= ZERO && bytes[at]! <= NINE; at += 1) {
    value = value * 10 + bytes[at]! - ZERO;
  }
  return value;
}

const taximeter: Dialect = {
  path: () => '/v1/connect',
  protocol: SUBPROTOCOL,
  hello: ({ session }, ticket) => JSON.stringify({ type: 'start', ticket, session }),
  beat: plainBeat,
  flip: (seq, isPaused) =>
    `{"type":"beat","seq":${seq},"state":"${isPaused ? 'paused' : 'recording'}"}`,
  hear(hearer, bytes, from, to) {
    // Ticks are known by their first bytes, or the crowd would pay for parsing what it need not read.
    if (startsWith(TICK_HEAD, bytes, from)) {
      return hearer.ticked(digitsAt(bytes, from + TICK_HEAD.length));
    }
    const text = bytes.toString('utf8', from, to);
    const message = JSON.parse(text) as { type: string; seq?: number };
    if (message.type === 'tick') hearer.ticked(message.seq!);
    else if (message.type === 'started') hearer.ready();
    else if (['refused', 'error', 'stop', 'ended', 'draining'].includes(message.type)) {
      hearer.failed(text);
    }
  },
};

const plain: Dialect = {
  path: ({ org, session }) => `/?org=${org}&session=${session}`,
  protocol: null,
  hello: () => null,
  beat: plainBeat,
  flip: null,
  hear: (hearer) => hearer.ticked(hearer.heard + 1),
};

/** Engine.IO's open, ping and message; Socket.IO's connect and event. */
const socketio: Dialect = {
  path: ({ org }) => `/socket.io/?EIO=4&transport=websocket&org=${org}`,
  protocol: null,
  hello: () => '40',
  beat: (seq, capturedMs) => `42["beat",${plainBeat(seq, capturedMs)}]`,
  flip: null,
  hear(hearer, bytes, from, to) {
    const [engine, socket] = [bytes[from]! - ZERO, from + 1 < to ? bytes[from + 1]! - ZERO : -1];
    if (engine === 2) hearer.say('3');
    else if (engine === 4 && socket === 2) hearer.ticked(hearer.heard + 1);
    else if (engine === 4 && socket === 0) hearer.ready();
    else if (engine !== 0) hearer.failed(bytes.toString('utf8', from, to));
  },
};

export const dialects: Readonly<Record<DialectName, Dialect>> = { taximeter, plain, socketio };
