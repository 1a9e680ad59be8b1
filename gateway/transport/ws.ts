/** The `ws` transport: Node's own HTTP server, and upgrades, frames and their limits by `ws`. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { MAX_FIRST_MESSAGE_BYTES } from '../../core/protocol/limits.ts';
import { SUBPROTOCOL } from '../../core/protocol/messages.ts';
import { type EntryRefusal, judgeEntry } from './entry.ts';
import type { Socket, SocketHandler } from './socket.ts';
import { CLOSE_TIMEOUT_MS, STOP_MS, type Transport, type TransportOptions } from './transport.ts';
import { openWsPort } from './ws-port.ts';

/** Defaults of ws are in the ten thousands; a message of ours is one frame. */
const MAX_FRAGMENTS = 16;
const MAX_BUFFERED_CHUNKS = 64;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Of one connection, unanswered. */
const MAX_REQUESTS_AT_ONCE = 8;
/** How often Node looks for requests beyond the two; by default every 30 s. */
const TIMEOUT_CHECK_MS = 1_000;

/** @throws where the port can't be had */
export async function startWs(options: TransportOptions): Promise<Transport> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    withoutQueue(
      getRequestListener((request, { incoming }) =>
        options.fetch(request, incoming.socket.remoteAddress ?? ''),
      ),
    ),
  );
  const webSockets = takeUpgrades(server, options);
  const { port, close } = await openWsPort(server, options);
  return {
    port,
    async stop() {
      const cut = setTimeout(() => {
        for (const webSocket of webSockets.clients) webSocket.terminate();
        server.closeAllConnections();
      }, STOP_MS);
      server.closeIdleConnections();
      await close();
      clearTimeout(cut);
    },
  };
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * Node hears all requests of one piece at once, and a few KB may hold hundreds: nothing else is heard
 * until each has its answer, sessions included. Who sends many before their answers is cut off; no
 * browser and no client library does.
 */
function withoutQueue(listener: Listener): Listener {
  const openBySocket = new WeakMap<Duplex, number>();
  return (request, response) => {
    const { socket } = request;
    const open = (openBySocket.get(socket) ?? 0) + 1;
    openBySocket.set(socket, open);
    if (open > MAX_REQUESTS_AT_ONCE || socket.destroyed) return void socket.destroy();
    response.once('close', () => openBySocket.set(socket, (openBySocket.get(socket) ?? 1) - 1));
    return listener(request, response);
  };
}

function takeUpgrades(server: Server, options: TransportOptions): WebSocketServer {
  const webSockets = new WebSocketServer({
    noServer: true,
    WebSocket: ServedWebSocket,
    maxPayload: MAX_FIRST_MESSAGE_BYTES,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    perMessageDeflate: false,
    // of ws 8.23, which its types do not know yet
    ...{ closeTimeout: CLOSE_TIMEOUT_MS },
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => stream.destroy());
    const address = request.socket.remoteAddress ?? '';
    const verdict = judgeEntry(
      {
        path: (request.url ?? '').split('?')[0]!,
        origin: request.headers.origin ?? null,
        address,
        protocols: request.headers['sec-websocket-protocol'] ?? '',
        version: request.headers['sec-websocket-version'] ?? '',
        key: request.headers['sec-websocket-key'] ?? '',
      },
      options,
    );
    if ('status' in verdict) return refuse(stream, verdict);
    webSockets.handleUpgrade(request, stream, head, (webSocket) => {
      serve(webSocket as ServedWebSocket, stream, address, (socket) =>
        options.opened(socket, verdict),
      );
    });
  });
  return webSockets;
}

function refuse(stream: Duplex, { status, statusText, headers, body }: EntryRefusal): void {
  const lines = [
    `HTTP/1.1 ${status} ${statusText}`,
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  stream.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

function serve(
  webSocket: ServedWebSocket,
  stream: Duplex,
  remoteAddress: string,
  opened: (socket: Socket) => SocketHandler,
): void {
  const socket = new WsSocket(webSocket, stream, remoteAddress);
  socket.handler = opened(socket);
  webSocket.served = socket;
  webSocket.on('message', heard);
  webSocket.on('ping', controlled);
  webSocket.on('pong', controlled);
  // Frames that break RFC 6455 or its limits: ws closes with the right code by itself.
  webSocket.on('error', ignored);
  webSocket.on('close', ended);
}

/** Knows whose socket it is, for listeners that all sockets share: their closures were 0.4 KB each. */
class ServedWebSocket extends WebSocket {
  served: WsSocket | null = null;
}

function heard(this: WebSocket, data: RawData, isBinary: boolean): void {
  const { handler } = (this as ServedWebSocket).served!;
  if (isBinary) handler!.malformed('Messages are text frames; this one was binary.');
  else handler!.message((data as Buffer).toString(), (data as Buffer).length);
}

function controlled(this: WebSocket): void {
  (this as ServedWebSocket).served!.handler!.control();
}

function ended(this: WebSocket, code: number): void {
  (this as ServedWebSocket).served!.handler!.closed(code);
}

function ignored(): void {}

/** A class, for its methods are shared. */
class WsSocket implements Socket {
  readonly remoteAddress: string;
  handler: SocketHandler | null = null;
  readonly #webSocket: WebSocket;
  readonly #stream: Duplex;

  constructor(webSocket: WebSocket, stream: Duplex, remoteAddress: string) {
    this.remoteAddress = remoteAddress;
    this.#webSocket = webSocket;
    this.#stream = stream;
  }

  send(texts: readonly string[]): void {
    const webSocket = this.#webSocket;
    if (webSocket.readyState !== webSocket.OPEN) return;
    const frames = framesOf(texts);
    if (frames !== null) return void this.#stream.write(frames, 'latin1');
    this.#stream.cork();
    for (const text of texts) webSocket.send(text);
    this.#stream.uncork();
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  unsentBytes(): number {
    return this.#webSocket.bufferedAmount;
  }
}

const MAX_SHORT_BYTES = 125;
const MAX_MEDIUM_BYTES = 0xffff;
const FIN_TEXT = 0x81;
const MEDIUM = 126;

/**
 * Text frames (RFC 6455, 5.2) as one latin1 string, for one write to the stream that ws was given:
 * ws writes a buffer for the header and one for the text, which costs 6 to 8 µs more of 30. It writes
 * whole frames at once without compression, so that ours never come between. Null where a text is
 * not ASCII or is long.
 */
function framesOf(texts: readonly string[]): string | null {
  let frames = '';
  for (const text of texts) {
    const bytes = Buffer.byteLength(text);
    if (bytes !== text.length || bytes > MAX_MEDIUM_BYTES) return null;
    const head =
      bytes <= MAX_SHORT_BYTES
        ? String.fromCharCode(FIN_TEXT, bytes)
        : String.fromCharCode(FIN_TEXT, MEDIUM, bytes >> 8, bytes & 0xff);
    frames += head + text;
  }
  return frames;
}
