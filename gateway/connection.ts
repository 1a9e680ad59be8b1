/**
 * One socket's way through the protocol: waiting for `start` or `resume`, being opened, bound to a
 * session, closed. Rates and sizes are judged here, before anything reaches a session.
 */
import { CloseCode, type CloseName } from '../core/protocol/close-codes.ts';
import { decodeClientMessage } from '../core/protocol/codec.ts';
import {
  MAX_MESSAGE_BYTES,
  MESSAGE_BURST,
  MESSAGES_PER_SECOND,
  START_TIMEOUT_MS,
} from '../core/protocol/limits.ts';
import type { ClientMessage, ServerMessage } from '../core/protocol/messages.ts';
import type { Admission, Admitted } from './admission.ts';
import type { Hearing } from './hearing.ts';
import type { Refusal } from './refusal.ts';
import type { LiveSession, Wire } from './session.ts';
import type { Ending } from './stopping.ts';
import type { Socket, SocketHandler, Upgrade } from './transport/socket.ts';

type State =
  | { kind: 'waiting'; timer: NodeJS.Timeout }
  | { kind: 'opening'; queue: ClientMessage[] }
  | { kind: 'bound'; session: LiveSession }
  | { kind: 'closed' };

/** Messages a recorder may send before it hears `started`. */
const MAX_QUEUED = 16;

export interface ConnectionOptions {
  admission: Admission;
  hearing: Hearing;
  ending: Ending;
  /** binds the session to its wire: `started`, ticks, warnings */
  bind(admitted: Admitted, wire: Wire): void;
  monotonicMs(): number;
  closed(connection: Connection): void;
  failed(error: unknown): void;
}

export interface Connection extends SocketHandler, Wire {
  readonly socket: Socket;
  /** since when more is unsent than a reader that keeps up would leave; null: it keeps up */
  slowSince: number | null;
}

export function createConnection(
  socket: Socket,
  upgrade: Upgrade,
  options: ConnectionOptions,
): Connection {
  const { admission, hearing, monotonicMs } = options;
  let state: State = {
    kind: 'waiting',
    timer: setTimeout(() => fail('startTimeout', START_TIMEOUT_SENTENCE), START_TIMEOUT_MS),
  };
  let tokens = MESSAGE_BURST;
  let tokensAt = monotonicMs();
  let isFirst = true;
  let freeSeq = 0;

  function send(...messages: (object | string)[]): void {
    if (state.kind === 'closed') return;
    for (let i = 0; i < messages.length; i++) {
      if (typeof messages[i] !== 'string') messages[i] = JSON.stringify(messages[i]);
    }
    socket.send(messages as string[]);
  }

  /** The session, if it has one, goes on without it or has ended before. */
  function close(code: number, reason: string): void {
    if (state.kind === 'closed') return;
    leave();
    socket.close(code, reason);
  }

  function leave(): void {
    if (state.kind === 'waiting') clearTimeout(state.timer);
    const session = state.kind === 'bound' ? state.session : null;
    state = { kind: 'closed' };
    if (session?.wire === connection) hearing.detached(session);
    options.closed(connection);
  }

  function fail(name: CloseName, detail: string): void {
    send({ type: 'error', code: name, detail, fatal: true } satisfies ServerMessage);
    close(CloseCode[name], name);
  }

  /** A message that breaks the protocol ends the session too: its client cannot be trusted with one. */
  function bad(detail: string, name: CloseName = 'badMessage'): void {
    const session = state.kind === 'bound' ? state.session : null;
    fail(name, detail);
    if (session) void options.ending.end(session, 'badMessage');
  }

  /** 10 a second beyond one beat a tick, 20 at once. */
  function isWithinRate(message: ClientMessage): boolean {
    const lastSeq = state.kind === 'bound' ? state.session.seq : 0;
    if (message.type === 'beat' && message.seq > freeSeq && message.seq <= lastSeq) {
      freeSeq = message.seq;
      return true;
    }
    const now = monotonicMs();
    tokens = Math.min(MESSAGE_BURST, tokens + ((now - tokensAt) / 1_000) * MESSAGES_PER_SECOND);
    tokensAt = now;
    tokens -= 1;
    return tokens >= 0;
  }

  async function open(message: ClientMessage): Promise<void> {
    if (message.type !== 'start' && message.type !== 'resume') {
      return bad(`The first message must be "start" or "resume", and was "${message.type}".`);
    }
    if (state.kind === 'waiting') clearTimeout(state.timer);
    state = { kind: 'opening', queue: [] };
    const caller = { ...upgrade, isAwaited: () => state.kind === 'opening' };
    const admitted =
      message.type === 'start'
        ? await admission.start(message, caller)
        : await admission.resume(message, caller);
    settle(admitted);
  }

  /** What went wrong is ours: its session, if it got one, waits to be resumed. */
  function broke(error: unknown): void {
    options.failed(error);
    close(CloseCode.tryAgainLater, 'tryAgainLater');
  }

  function settle(admitted: Admitted | Refusal): void {
    if ('code' in admitted) {
      const { close: name, ...refused } = admitted;
      send(refused);
      return close(CloseCode[name], name);
    }
    const queue = state.kind === 'opening' ? state.queue : [];
    const isGone = state.kind === 'closed';
    const { session } = admitted;
    if (!isGone) state = { kind: 'bound', session };
    options.bind(admitted, connection);
    // It left while it was let in: the session waits to be resumed.
    if (isGone) return hearing.detached(session);
    for (const message of queue) dispatch(message);
  }

  function dispatch(message: ClientMessage): void {
    if (state.kind === 'opening') {
      if (state.queue.length === MAX_QUEUED) return bad('Wait for "started" before you go on.');
      state.queue.push(message);
      return;
    }
    if (state.kind !== 'bound') return;
    const { session } = state;
    switch (message.type) {
      case 'beat':
        return hearing.beat(session, message);
      case 'stop':
        return hearing.stop(session, message);
      case 'saved':
        return hearing.saved(session, message);
      case 'start':
      case 'resume':
        return bad(`This connection has its session already; "${message.type}" needs another one.`);
    }
  }

  const connection: Connection = {
    socket,
    slowSince: null,
    send,
    close,
    message(text, bytes) {
      if (state.kind === 'closed') return;
      if (!isFirst && bytes > MAX_MESSAGE_BYTES) {
        const detail = `A message may have ${MAX_MESSAGE_BYTES} bytes, and this one has ${bytes}.`;
        return bad(detail, 'tooBig');
      }
      isFirst = false;
      const message = decodeClientMessage(text);
      if (message.type === 'bad') return bad(message.detail);
      if (!isWithinRate(message)) {
        return fail('rateLimited', 'Too many messages: ten a second beside the beats are enough.');
      }
      if (state.kind === 'waiting') open(message).catch(broke);
      else dispatch(message);
    },
    malformed: (detail) => bad(detail),
    closed: () => {
      if (state.kind !== 'closed') leave();
    },
  };
  return connection;
}

const START_TIMEOUT_SENTENCE = `A connection must say "start" or "resume" within ${
  START_TIMEOUT_MS / 1_000
} seconds.`;
