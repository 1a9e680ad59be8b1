/** A transport by itself, for tests: no session behind its sockets, a small app behind its HTTP. */
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { type ClientOptions, WebSocket } from 'ws';
import { SUBPROTOCOL } from '../../core/protocol/messages.ts';
import { loadUws, MAX_HEADERS_BYTES, UWS_HEADERS_VARIABLE } from './load-uws.ts';
import type { Socket, Upgrade } from './socket.ts';
import { startTransport } from './start.ts';
import type { Gate, Transport, TransportName } from './transport.ts';

export const PATH = '/v1/connect';
export const MAX_BODY_BYTES = 64 * 1024;
/** Takes a body beyond that. */
export const LARGE_PATH = '/large';
export const MAX_LARGE_BYTES = 4 * MAX_BODY_BYTES;

/** Both, where uWebSockets.js has something for this Node and system; else says so. */
export async function transportsHere(): Promise<TransportName[]> {
  process.env[UWS_HEADERS_VARIABLE] ??= String(MAX_HEADERS_BYTES);
  try {
    await loadUws();
    return ['ws', 'uws'];
  } catch (error) {
    console.warn(`NOT TRIED ON uws: ${(error as Error).message}`);
    return ['ws'];
  }
}

/** The server's side of one socket, with all it heard. */
export interface Met {
  socket: Socket;
  upgrade: Upgrade;
  heard: { text: string; bytes: number }[];
  malformed: string[];
  /** pings and pongs */
  controls: number;
  closed: Promise<number>;
}

export interface TestTransport extends Transport {
  url: string;
  /** Every socket, in the order of their coming. */
  met: Met[];
  app: Hono;
  /** Connects, and gives both ends. */
  join(options?: ClientOptions): Promise<{ client: WebSocket; server: Met }>;
}

export async function startTestTransport(
  name: TransportName,
  gate: Gate = () => null,
  port = 0,
): Promise<TestTransport> {
  const met: Met[] = [];
  const app = new Hono();
  const most = (path: string) => (path === LARGE_PATH ? MAX_LARGE_BYTES : MAX_BODY_BYTES);
  app.use((c, next) => bodyLimit({ maxSize: most(c.req.path) })(c, next));
  const transport = await startTransport(name, {
    ...{
      host: '127.0.0.1',
      port,
      shared: null,
      path: PATH,
      gate,
      maxBodyBytes: most,
    },
    fetch: (request) => app.fetch(request),
    opened(socket, upgrade) {
      let tellClosed: (code: number) => void = () => {};
      const closed = new Promise<number>((resolve) => {
        tellClosed = resolve;
      });
      const one: Met = { socket, upgrade, heard: [], malformed: [], controls: 0, closed };
      met.push(one);
      return {
        message: (text, bytes) => void one.heard.push({ text, bytes }),
        malformed(detail) {
          one.malformed.push(detail);
          socket.close(4506, 'badMessage');
        },
        control() {
          one.controls += 1;
        },
        closed: (code) => tellClosed(code),
      };
    },
  });
  return {
    ...transport,
    ...{ met, app, url: `http://127.0.0.1:${transport.port}` },
    async join(options = {}) {
      const before = met.length;
      const client = await openClient(transport.port, { options });
      return { client, server: met[before]! };
    },
  };
}

interface ClientChoice {
  path?: string;
  protocols?: string[];
  options?: ClientOptions;
}

/** Rejects with the status where it is refused. */
export function openClient(port: number, choice: ClientChoice = {}): Promise<WebSocket> {
  const { path = PATH, protocols = [SUBPROTOCOL], options = {} } = choice;
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options);
  return new Promise((resolve, reject) => {
    client.on('open', () => {
      client.on('error', () => {});
      resolve(client);
    });
    client.on('error', reject);
  });
}

export function closeOf(client: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    client.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}

/** A bare connection that keeps what it receives, and says nothing that it is not told to. */
export interface Bare {
  tcp: TcpSocket;
  /** all of it, as bytes in a string */
  received(): string;
  ended: Promise<void>;
}

export function openBare(port: number, first: string | Buffer): Promise<Bare> {
  const tcp = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
  const pieces: string[] = [];
  tcp.on('data', (piece) => pieces.push(piece.toString('latin1')));
  tcp.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    tcp.on('end', resolve);
    tcp.on('close', () => resolve());
  });
  const bare: Bare = {
    ...{ tcp, ended },
    received: () => pieces.join(''),
  };
  return new Promise((resolve) => {
    tcp.on('connect', () => {
      tcp.write(first);
      resolve(bare);
    });
  });
}

export const HANDSHAKE = [
  `GET ${PATH} HTTP/1.1`,
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
  '\r\n',
].join('\r\n');

/** A masked frame of a client, by RFC 6455; the mask is zero. */
export function frame(opcode: number, payload: Buffer | string, { fin = true } = {}): Buffer {
  const body = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | opcode];
  if (body.length < 126) head.push(0x80 | body.length);
  else head.push(0x80 | 126, body.length >> 8, body.length & 0xff);
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), body]);
}

/** Looks again and again until it is so. @throws with what it was at last, after 10 s */
export async function soon<T>(look: () => T, isSo: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const value = look();
    if (isSo(value)) return value;
    if (tries === 1_000) throw new Error(`It is still ${JSON.stringify(value)?.slice(0, 200)}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
