/**
 * The other end of the protocol, word by word as a test says it: a real server on a real socket
 * with no meter behind it. For what a real gateway does only when something breaks.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type {
  ClientMessage,
  Ended,
  Reading,
  ServerMessage,
  Started,
  Stopping,
  Tick,
} from '../core/protocol/messages.ts';
import { SUBPROTOCOL } from '../core/protocol/messages.ts';

export function reading(over: Partial<Reading> = {}): Reading {
  return {
    binding: 'organization',
    sessionMs: 0,
    usedMs: 0,
    limitMs: 60_000,
    remainingMs: 60_000,
    percent: 0,
    source: 'plan',
    extraRemainingMs: 0,
    burnRate: 1,
    endsAt: null,
    periodEndsAt: null,
    at: 1_000_000,
    ...over,
  };
}

export function started(over: Partial<Started> = {}): Started {
  return {
    type: 'started',
    session: 's',
    epoch: 1,
    resumed: false,
    state: 'recording',
    intervalMs: 5_000,
    timeoutMs: 15_000,
    saveWindowMs: 10_000,
    checkpoint: 'c0',
    reading: reading(),
    warnings: [],
    ...over,
  };
}

export function tick(seq: number, over: Partial<Reading> = {}): Tick {
  return { type: 'tick', seq, reading: reading(over), checkpoint: `c${seq}` };
}

/** A session of twelve seconds, stopped by its recorder. */
export const ended: Ended = {
  type: 'ended',
  session: 's',
  reason: 'stopped',
  checkpoint: 'c9',
  summary: {
    recordedMs: 12_000,
    overshootMs: 0,
    bySource: { planMs: 12_000, extraMs: 0, overageMs: 0 },
    startedAt: 1_000_000,
    endedAt: 1_012_000,
  },
};

export function stopping(over: Partial<Stopping> = {}): Stopping {
  const at = reading({ usedMs: 60_000, remainingMs: 0, percent: 100 });
  return {
    type: 'stop',
    reason: 'limitReached',
    binding: 'organization',
    saveWindowMs: 10_000,
    reading: at,
    actions: [],
    ...over,
  };
}

/** What was put in and not yet taken out, and who waits for more. */
class Mailbox<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#items.push(item);
    else taker(item);
  }

  take(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#takers.push(resolve));
  }
}

/** One connection of the client under test. */
export class Visit {
  readonly protocols: string;
  readonly #socket: WebSocket;
  readonly #heard = new Mailbox<ClientMessage>();
  readonly closed: Promise<number>;

  constructor(socket: WebSocket, protocols: string) {
    this.#socket = socket;
    this.protocols = protocols;
    socket.on('message', (data) => this.#heard.put(JSON.parse(String(data))));
    this.closed = new Promise((resolve) => socket.on('close', resolve));
  }

  /** The next message, in order; it must be of this type. */
  async hear<T extends ClientMessage['type']>(
    type: T,
  ): Promise<Extract<ClientMessage, { type: T }>> {
    const message = await this.#heard.take();
    if (message.type !== type) {
      throw new Error(`The client said ${JSON.stringify(message)} where ${type} was due`);
    }
    return message as Extract<ClientMessage, { type: T }>;
  }

  say(...messages: ServerMessage[]): void {
    for (const message of messages) this.#socket.send(JSON.stringify(message));
  }

  sayRaw(text: string): void {
    this.#socket.send(text);
  }

  close(code: number, reason = ''): void {
    this.#socket.close(code, reason);
  }

  /** As when the network or the process is gone. */
  cut(): void {
    this.#socket.terminate();
  }
}

export interface ScriptedGateway {
  readonly url: string;
  /** The next connection that opens. */
  visit(): Promise<Visit>;
  /** From now on upgrades are answered with this status, and requests for the reason too. */
  turnAway(status: number | null, problem?: { code: string; detail: string }): void;
  /** How many upgrades were turned away so far. */
  readonly turnedAway: number;
  stop(): Promise<void>;
}

export async function startScriptedGateway(): Promise<ScriptedGateway> {
  const visits = new Mailbox<Visit>();
  let status: number | null = null;
  let problem = {};
  let turnedAway = 0;
  const http = createServer((_request, response) => {
    response.writeHead(status ?? 426, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify(problem));
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  http.on('upgrade', (request, socket, head) => {
    if (status !== null) {
      turnedAway += 1;
      socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      visits.put(new Visit(opened, String(request.headers['sec-websocket-protocol'])));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    visit: () => visits.take(),
    turnAway: (answer, why = { code: 'away', detail: 'Not now.' }) => {
      status = answer;
      problem = why;
    },
    get turnedAway() {
      return turnedAway;
    },
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
