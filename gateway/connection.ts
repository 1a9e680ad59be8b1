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
import type { Caller, Crowded } from './caller.ts';
import type { Hearing } from './hearing.ts';
import type { Seats } from './limits/seats.ts';
import type { Refusal } from './refusal.ts';
import type { LiveSession, Wire } from './session.ts';
import type { Ending } from './stopping.ts';
import type { Socket, SocketHandler, Upgrade } from './transport/socket.ts';

type State =
  | { kind: 'waiting'; timer: NodeJS.Timeout }
  | { kind: 'opening'; queue: ClientMessage[] }
  | { kind: 'bound'; session: LiveSession }
  | { kind: 'closed' };

const CLOSED: State = { kind: 'closed' };

/** Closed by its client's own wish: who waits for a place gives its turn up. */
const GIVEN_UP: ReadonlySet<number> = new Set([1000, 1001]);

/** Messages a recorder may send before it hears `started`. */
const MAX_QUEUED = 16;

export interface ConnectionOptions {
  admission: Admission;
  hearing: Hearing;
  ending: Ending;
  /** binds the session to its wire: `started`, ticks, warnings */
  bind(admitted: Admitted, wire: Wire): void;
  monotonicMs(): number;
  /** Null: sockets of this address are not counted. */
  seats: Pick<Seats, 'takeMember' | 'leaveMember'> | null;
  closed(connection: Connection): void;
  failed(error: unknown): void;
}

export interface Connection extends SocketHandler, Wire {
  readonly socket: Socket;
  /** since when more is unsent than a reader that keeps up would leave; null: it keeps up */
  slowSince: number | null;
  /** There are too many of its kind: it says so and closes, and its client tries again later. */
  turnAway(detail: string): void;
}

export function createConnection(
  socket: Socket,
  upgrade: Upgrade,
  options: ConnectionOptions,
): Connection {
  return new BoundSocket(socket, upgrade, options);
}

/** A class, for its methods are shared: a dozen closures a socket were 1.5 KB of it. */
class BoundSocket implements Connection {
  readonly socket: Socket;
  slowSince: number | null = null;
  readonly #upgrade: Upgrade;
  readonly #options: ConnectionOptions;
  #state: State;
  #tokens = MESSAGE_BURST;
  #tokensAt: number;
  #isFirst = true;
  #freeSeq = 0;
  #hasGivenUp = false;
  /** whose it is, as far as it is counted */
  #seat: { org: string; user: string } | null = null;

  constructor(socket: Socket, upgrade: Upgrade, options: ConnectionOptions) {
    this.socket = socket;
    this.#upgrade = upgrade;
    this.#options = options;
    this.#tokensAt = options.monotonicMs();
    const late = () => this.#fail('startTimeout', START_TIMEOUT_SENTENCE);
    this.#state = { kind: 'waiting', timer: setTimeout(late, START_TIMEOUT_MS) };
  }

  send(...messages: (object | string)[]): void {
    if (this.#state.kind === 'closed') return;
    for (let i = 0; i < messages.length; i++) {
      if (typeof messages[i] !== 'string') messages[i] = JSON.stringify(messages[i]);
    }
    this.socket.send(messages as string[]);
  }

  /** The session, if it has one, goes on without it or has ended before. */
  close(code: number, reason: string): void {
    if (this.#state.kind === 'closed') return;
    this.#leave();
    this.socket.close(code, reason);
  }

  message(text: string, bytes: number): void {
    if (this.#state.kind === 'closed') return;
    if (!this.#isFirst && bytes > MAX_MESSAGE_BYTES) {
      const detail = `A message may have ${MAX_MESSAGE_BYTES} bytes, and this one has ${bytes}.`;
      return this.#bad(detail, 'tooBig');
    }
    this.#isFirst = false;
    const message = decodeClientMessage(text);
    if (message.type === 'bad') return this.#bad(message.detail);
    if (!this.#isWithinRate(message)) return this.#fail('rateLimited', TOO_MANY_SENTENCE);
    if (this.#state.kind === 'waiting') {
      this.#open(message).catch((error: unknown) => this.#broke(error));
    } else this.#dispatch(message);
  }

  malformed(detail: string): void {
    this.#bad(detail);
  }

  /** Each is answered by the transport: a flood of them costs what one of messages does. */
  control(): void {
    if (this.#state.kind === 'closed' || this.#takeToken()) return;
    this.#fail('rateLimited', TOO_MANY_SENTENCE);
  }

  turnAway(detail: string): void {
    this.#fail('tryAgainLater', detail);
  }

  closed(code: number): void {
    if (this.#state.kind === 'closed') return;
    this.#hasGivenUp = GIVEN_UP.has(code);
    this.#leave();
  }

  /** A sentence where its member has too many; it is counted for as long as it is open. */
  async #takeSeat(org: string, user: string): Promise<string | null> {
    const { seats } = this.#options;
    if (seats === null || this.#seat !== null || this.#state.kind === 'closed') return null;
    this.#seat = { org, user };
    return seats.takeMember(org, user);
  }

  #leave(): void {
    const state = this.#state;
    if (state.kind === 'waiting') clearTimeout(state.timer);
    this.#state = CLOSED;
    if (this.#seat !== null) this.#options.seats?.leaveMember(this.#seat.org, this.#seat.user);
    if (state.kind === 'bound' && state.session.wire === this) {
      this.#options.hearing.detached(state.session);
    }
    this.#options.closed(this);
  }

  #fail(name: CloseName, detail: string): void {
    this.send({ type: 'error', code: name, detail, fatal: true } satisfies ServerMessage);
    this.close(CloseCode[name], name);
  }

  /** A message that breaks the protocol ends the session too: its client cannot be trusted with one. */
  #bad(detail: string, name: CloseName = 'badMessage'): void {
    const session = this.#state.kind === 'bound' ? this.#state.session : null;
    this.#fail(name, detail);
    if (session) void this.#options.ending.end(session, 'badMessage');
  }

  /** 10 a second beyond one beat a tick, 20 at once. */
  #isWithinRate(message: ClientMessage): boolean {
    const lastSeq = this.#state.kind === 'bound' ? this.#state.session.seq : 0;
    if (message.type === 'beat' && message.seq > this.#freeSeq && message.seq <= lastSeq) {
      this.#freeSeq = message.seq;
      return true;
    }
    return this.#takeToken();
  }

  #takeToken(): boolean {
    const now = this.#options.monotonicMs();
    const earned = ((now - this.#tokensAt) / 1_000) * MESSAGES_PER_SECOND;
    this.#tokens = Math.min(MESSAGE_BURST, this.#tokens + earned) - 1;
    this.#tokensAt = now;
    return this.#tokens >= 0;
  }

  async #open(message: ClientMessage): Promise<void> {
    if (message.type !== 'start' && message.type !== 'resume') {
      return this.#bad(`The first message must be "start" or "resume", and was "${message.type}".`);
    }
    if (this.#state.kind === 'waiting') clearTimeout(this.#state.timer);
    this.#state = { kind: 'opening', queue: [] };
    const { admission } = this.#options;
    const caller: Caller = {
      ...this.#upgrade,
      isAwaited: () => this.#state.kind === 'opening',
      hasGivenUp: () => this.#hasGivenUp,
      queued: (position, retryAfterMs) => {
        this.send({ type: 'queued', position, retryAfterMs } satisfies ServerMessage);
      },
      takeSeat: (org, user) => this.#takeSeat(org, user),
    };
    const admitted =
      message.type === 'start'
        ? await admission.start(message, caller)
        : await admission.resume(message, caller);
    this.#settle(admitted);
  }

  /** What went wrong is ours: its session, if it got one, waits to be resumed. */
  #broke(error: unknown): void {
    this.#options.failed(error);
    this.close(CloseCode.tryAgainLater, 'tryAgainLater');
  }

  #settle(admitted: Admitted | Refusal | Crowded): void {
    if ('crowded' in admitted) return this.turnAway(admitted.crowded);
    if ('code' in admitted) {
      const { close: name, ...refused } = admitted;
      this.send(refused);
      return this.close(CloseCode[name], name);
    }
    const state = this.#state;
    const isGone = state.kind === 'closed';
    const { session } = admitted;
    if (!isGone) this.#state = { kind: 'bound', session };
    this.#options.bind(admitted, this);
    // It left while it was let in: the session waits to be resumed.
    if (isGone) return this.#options.hearing.detached(session);
    if (state.kind === 'opening') for (const message of state.queue) this.#dispatch(message);
  }

  #dispatch(message: ClientMessage): void {
    const state = this.#state;
    if (state.kind === 'opening') {
      if (state.queue.length === MAX_QUEUED)
        return this.#bad('Wait for "started" before you go on.');
      state.queue.push(message);
      return;
    }
    if (state.kind !== 'bound') return;
    const { hearing } = this.#options;
    switch (message.type) {
      case 'beat':
        return hearing.beat(state.session, message);
      case 'stop':
        return hearing.stop(state.session, message);
      case 'saved':
        return hearing.saved(state.session, message);
      case 'start':
      case 'resume':
        return this.#bad(
          `This connection has its session already; "${message.type}" needs another one.`,
        );
    }
  }
}

const TOO_MANY_SENTENCE = 'Too many messages: ten a second beside the beats are enough.';
const START_TIMEOUT_SENTENCE = `A connection must say "start" or "resume" within ${
  START_TIMEOUT_MS / 1_000
} seconds.`;
