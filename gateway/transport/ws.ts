/** The `ws` transport: upgrades, frames and their limits. It knows no meters. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { MAX_FIRST_MESSAGE_BYTES } from '../../core/protocol/limits.ts';
import { SUBPROTOCOL, TICKET_SUBPROTOCOL_PREFIX } from '../../core/protocol/messages.ts';
import type { Socket, SocketHandler, Upgrade } from './socket.ts';

/** Defaults of ws are in the ten thousands; a message of ours is one frame. */
const MAX_FRAGMENTS = 16;
const MAX_BUFFERED_CHUNKS = 64;
/** A peer that does not answer a close frame is cut off. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Why a request to connect is refused before the upgrade; null: it may. */
export type Gate = (origin: string | null, address: string) => GateRefusal | null;
export interface GateRefusal {
  status: 403 | 503;
  reason: string;
}

export interface WsTransportOptions {
  server: Server;
  path: string;
  gate: Gate;
  opened(socket: Socket, upgrade: Upgrade): SocketHandler;
}

/** Takes the upgrades of an HTTP server; its other requests are not touched. */
export function attachWs({ server, path, gate, opened }: WsTransportOptions): void {
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FIRST_MESSAGE_BYTES,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    perMessageDeflate: false,
    clientTracking: false,
    // of ws 8.23, which its types do not know yet
    ...{ closeTimeout: CLOSE_TIMEOUT_MS },
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });

  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => stream.destroy());
    const origin = request.headers.origin ?? null;
    const address = request.socket.remoteAddress ?? '';
    if (pathOf(request) !== path) return refuse(stream, 404, `Connect at ${path}.`);
    const refusal = gate(origin, address);
    if (refusal) return refuse(stream, refusal.status, refusal.reason);
    const offered = offeredProtocols(request);
    if (!offered.includes(SUBPROTOCOL)) {
      return refuse(stream, 400, `Offer the subprotocol ${SUBPROTOCOL}.`);
    }
    const ticket = offered
      .find((name) => name.startsWith(TICKET_SUBPROTOCOL_PREFIX))
      ?.slice(TICKET_SUBPROTOCOL_PREFIX.length);
    webSockets.handleUpgrade(request, stream, head, (webSocket) => {
      serve(webSocket, stream, address, (socket) => opened(socket, { ticket, origin }));
    });
  });
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0]!;
}

function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers['sec-websocket-protocol'] ?? '';
  return header.split(',').map((name) => name.trim());
}

const STATUS_TEXT: Record<number, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  503: 'Service Unavailable',
};

function refuse(stream: Duplex, status: number, reason: string): void {
  const body = `${reason}\n`;
  stream.end(
    `HTTP/1.1 ${status} ${STATUS_TEXT[status]}\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `${status === 503 ? 'Retry-After: 1\r\n' : ''}\r\n${body}`,
  );
}

function serve(
  webSocket: WebSocket,
  stream: Duplex,
  remoteAddress: string,
  opened: (socket: Socket) => SocketHandler,
): void {
  const handler = opened({
    remoteAddress,
    send(texts) {
      if (webSocket.readyState !== webSocket.OPEN) return;
      if (texts.length > 1) stream.cork();
      for (const text of texts) webSocket.send(text);
      if (texts.length > 1) stream.uncork();
    },
    close: (code, reason) => webSocket.close(code, reason),
    terminate: () => webSocket.terminate(),
    unsentBytes: () => webSocket.bufferedAmount,
  });
  webSocket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) handler.malformed('Messages are text frames; this one was binary.');
    else handler.message((data as Buffer).toString(), (data as Buffer).length);
  });
  // Frames that break RFC 6455 or its limits: ws closes with the right code by itself.
  webSocket.on('error', () => {});
  webSocket.on('close', (code) => handler.closed(code));
}
