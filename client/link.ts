/**
 * Keeps one connection up until it is told to let go: connects, waits, takes the next gateway,
 * asks for the reason when it is turned away. What is said on the connection is its host's matter.
 */
import { shouldReconnect } from '../core/protocol/close-codes.ts';
import { DEFAULT_INTERVAL_MS, DEFAULT_TIMEOUT_MS } from '../core/protocol/limits.ts';
import type { ClientMessage, ServerMessage } from '../core/protocol/messages.ts';
import { BACKOFF_FIRST_MS, Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import { askUrl, type GatewayList } from './gateway-list.ts';
import type { MeterEvent } from './reducer.ts';
import { Connection, LOST_CODE, type SocketConstructor } from './socket.ts';
import type { Refusal } from './state.ts';
import { askWhyTurnedAway, FAILURES_BEFORE_ASKING } from './turned-away.ts';

export interface LinkHost {
  /** What to say first on a new connection. Rejects where no ticket could be had. */
  firstMessage(): Promise<ClientMessage>;
  /** No ticket, or an address that cannot be used. Returns whether to try again later. */
  failed(error: unknown): boolean;
  hear(message: ServerMessage): void;
  /** Closed with a code that says to come back. */
  closing(code: number): void;
  /** Closed with a code that says not to. */
  dismissed(code: number): void;
  turnedAway(refusal: Refusal): void;
  tell(event: MeterEvent): void;
}

export interface LinkMeans {
  readonly Socket: SocketConstructor;
  readonly fetch: typeof fetch;
  readonly gateways: GatewayList;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * How long a connection may take to open: one that was lost is back within 3 s, also where the gateway
 * that is tried first stands still. Twice as long after each that did not, for a slow network.
 */
const OPENING_FIRST_MS = 2_000;
const OPENING_LONGEST_MS = 10_000;
/** Until `started` says how often the server ticks. */
const FIRST_SILENCE_MS = DEFAULT_INTERVAL_MS + DEFAULT_TIMEOUT_MS;

export class Link {
  readonly #host: LinkHost;
  readonly #means: LinkMeans;
  readonly #backoff: Backoff;
  #connection: Connection | null = null;
  /** What an answer that took its time must still match: every new attempt makes the old ones void. */
  #turn = 0;
  #cancelWait: () => void = () => {};
  #waiting = false;
  /** What to say first is awaited: a ticket, which a network that is away may never bring. */
  #asking = false;
  /** Connections in a row that never opened. */
  #failures = 0;
  /** After `draining`: when to come back, on the monotonic clock. */
  #returnAtMs: number | null = null;

  constructor(host: LinkHost, means: LinkMeans) {
    this.#host = host;
    this.#means = means;
    this.#backoff = new Backoff(means.random);
  }

  send(message: ClientMessage): boolean {
    return this.#connection?.send(message) ?? false;
  }

  allowSilence(ms: number): void {
    this.#connection?.allowSilence(ms);
  }

  /** The session is live on this connection: what went wrong before is forgotten. */
  settled(allowedSilenceMs: number): void {
    this.#backoff.reset();
    this.allowSilence(allowedSilenceMs);
  }

  /** Leaves the present connection, if any, and makes a new one: now, or after `delayMs`. */
  renew(delayMs = 0): void {
    this.#letGo(LOST_CODE);
    if (delayMs > 0) this.#wait(LOST_CODE, delayMs);
    else void this.#connect();
  }

  /** As after a loss: the next gateway, and not at once. */
  retryLater(): void {
    this.#letGo(1000);
    this.#means.gateways.advance();
    this.#wait(LOST_CODE, this.#backoff.nextMs());
  }

  /** The gateway is about to stop: comes back elsewhere, spread a little, whoever closes first. */
  drain(retryAfterMs: number): void {
    const delayMs = retryAfterMs + this.#means.random() * BACKOFF_FIRST_MS;
    this.#returnAtMs = this.#means.clock.nowMs() + delayMs;
    this.#cancelWait();
    this.#cancelWait = this.#means.clock.after(delayMs, () => {
      this.#means.gateways.advance();
      this.renew();
    });
  }

  /** The network is back, or the device woke up: no more waiting. `asksAgain`: nor for a ticket. */
  wake(asksAgain: boolean): void {
    if (this.#waiting || (this.#asking && asksAgain)) void this.#connect();
    else this.#connection?.checkSilence();
  }

  close(): void {
    this.#letGo(1000);
    this.#failures = 0;
  }

  #letGo(code: number): void {
    this.#turn += 1;
    this.#cancelWait();
    this.#waiting = false;
    this.#asking = false;
    this.#returnAtMs = null;
    this.#connection?.abandon(code);
    this.#connection = null;
  }

  async #connect(): Promise<void> {
    this.#letGo(LOST_CODE);
    const turn = this.#turn;
    const { gateways, clock, Socket } = this.#means;
    this.#host.tell({ type: 'connecting', attempt: this.#backoff.attempt });
    this.#asking = true;
    try {
      const first = await this.#host.firstMessage();
      if (turn !== this.#turn) return;
      this.#asking = false;
      const openingMs = Math.min(OPENING_LONGEST_MS, OPENING_FIRST_MS * 2 ** this.#failures);
      const connection = new Connection(Socket, gateways.current(), openingMs, clock, {
        opened: () => {
          this.#failures = 0;
          this.#host.tell({ type: 'opened' });
          connection.allowSilence(FIRST_SILENCE_MS);
          connection.send(first);
        },
        message: (message) => this.#host.hear(message),
        unreadable: (detail) => this.#host.tell({ type: 'problem', detail }),
        closed: (code, opened) => this.#lost(code, opened),
      });
      this.#connection = connection;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#asking = false;
      if (this.#host.failed(error)) this.#wait(LOST_CODE, this.#backoff.nextMs());
    }
  }

  #lost(code: number, opened: boolean): void {
    this.#connection = null;
    this.#cancelWait();
    const returnAtMs = this.#returnAtMs;
    this.#returnAtMs = null;
    if (!shouldReconnect(code)) {
      this.#host.dismissed(code);
      return;
    }
    this.#host.closing(code);
    const { gateways, clock } = this.#means;
    if (!opened) {
      this.#failures += 1;
      if (this.#failures % FAILURES_BEFORE_ASKING === 0) void this.#ask(gateways.current());
    }
    gateways.advance();
    const delayMs =
      returnAtMs === null ? this.#backoff.nextMs() : Math.max(0, returnAtMs - clock.nowMs());
    this.#wait(code, delayMs);
  }

  #wait(code: number, delayMs: number): void {
    const { clock } = this.#means;
    this.#cancelWait();
    this.#waiting = true;
    this.#cancelWait = clock.after(delayMs, () => void this.#connect());
    const untilMs = clock.nowMs() + delayMs;
    this.#host.tell({ type: 'waiting', attempt: this.#backoff.attempt, untilMs, code });
  }

  async #ask(url: string): Promise<void> {
    const failures = this.#failures;
    const reason = await askWhyTurnedAway(this.#means.fetch, askUrl(url));
    // Open meanwhile, or let go: then nobody wants to know any more.
    if (reason === null || this.#failures < failures) return;
    if ('problem' in reason) {
      this.#host.tell({ type: 'problem', detail: reason.problem });
      return;
    }
    this.close();
    this.#host.turnedAway(reason.refusal);
  }
}
