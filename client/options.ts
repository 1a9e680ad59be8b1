import type { ServerMessage } from '../core/protocol/messages.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import type { Clock } from './clock.ts';
import type { SocketConstructor } from './socket.ts';
import type { StopNotice } from './state.ts';
import type { GetTicket } from './ticket-source.ts';

export interface MeterClientOptions {
  /** Gateways, as ws, wss, http or https URLs; the next is tried when one fails. Without them the
   *  `url` that comes with the first ticket. */
  urls?: readonly string[];
  /** Asks your backend for a ticket; called whenever one is needed. */
  getTicket?: GetTicket;
  /** Instead: a token that may be used again and again, as those of an identity provider. */
  ticket?: string;

  /** The session's own id; made here if absent. A session that is live already is taken over. */
  session?: string;
  /** How much is going to be recorded: refused at once if less remains. Meter time. */
  plannedMs?: number;
  /** Flat strings, at most 1 KB in all. */
  metadata?: Record<string, string>;

  /** What the recorder has captured so far, in milliseconds; asked with every beat. */
  capturedMs?: () => number;
  /**
   * Recording must stop now: stop it, and save. What it returns is awaited, and the server told
   * that the recording is safe; a rejection tells it that it is not. Called once a session, also
   * when the session was lost without a `stop`.
   */
  onStop?: (notice: StopNotice) => void | Promise<void>;
  /** Every message as it comes, after the beat to it went out. For logs and audits. */
  onMessage?: (message: ServerMessage, nowMs: number) => void;

  /** Survives a reload: the session is then resumed by the next `start()`. */
  store?: CheckpointStore;
  /** Node 20 has none of its own: give it that of `ws`. */
  WebSocket?: SocketConstructor;
  fetch?: typeof fetch;
  clock?: Clock;
  /** Numbers in [0, 1) for the spread of reconnects; seed it where runs must repeat. */
  random?: () => number;
  /** Meter seconds per real second, where a gateway is too old to say it with `started`. */
  speed?: number;
}
