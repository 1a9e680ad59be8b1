/**
 * One port, whatever serves it: sockets on one path, HTTP on all others. What a transport is given
 * and what it owes are the same for every one of them; `start.ts` knows which there are.
 */
import type { Socket as Connection } from 'node:net';
import type { Socket, SocketHandler, Upgrade } from './socket.ts';

export const TRANSPORTS = ['ws', 'uws'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** Why a request to connect is refused before the upgrade; null: it may. */
export type Gate = (origin: string | null, address: string) => GateRefusal | null;
export interface GateRefusal {
  status: 403 | 503;
  reason: string;
}

/** A port that several processes of one gateway serve. */
export interface SharedPort {
  /** Connections that another process accepted for this one, until the returned end. */
  take(taken: (connection: Connection) => void): () => void;
}

export interface TransportOptions {
  host: string;
  /** 0: any free one */
  port: number;
  /** null: it is this process's alone. Else who is a stranger on it is seen to before. */
  shared: SharedPort | null;
  /** where recorders connect */
  path: string;
  gate: Gate;
  opened(socket: Socket, upgrade: Upgrade): SocketHandler;
  /** Answers all that is no upgrade, a plain GET of `path` included. `address`: whence it comes. */
  fetch(request: Request, address: string): Response | Promise<Response>;
  /** Beyond it `fetch` refuses a body there: a transport need not hold more of it than shows that. */
  maxBodyBytes(path: string): number;
}

export interface Transport {
  /** the one it listens on */
  port: number;
  /**
   * No new connections from here on; open requests are answered and closed sockets say their
   * farewell, for STOP_MS at most. Then whatever is left is cut.
   */
  stop(): Promise<void>;
}

export const STOP_MS = 2_000;
/** A peer that does not answer a close frame, or does not read it, is cut off. */
export const CLOSE_TIMEOUT_MS = 5_000;
