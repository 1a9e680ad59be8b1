/** Whether a request to upgrade may, decided alike for every transport. */
import { SUBPROTOCOL, TICKET_SUBPROTOCOL_PREFIX } from '../../core/protocol/messages.ts';
import type { Upgrade } from './socket.ts';
import type { TransportOptions } from './transport.ts';

const WEBSOCKET_VERSION = '13';
/** 16 bytes in base64 (RFC 6455, 4.2.1); uWebSockets.js itself looks at the length alone. */
const KEY_PATTERN = /^[A-Za-z0-9+/]{22}==$/;

export interface EntryRequest {
  path: string;
  /** null: not a browser */
  origin: string | null;
  address: string;
  /** the header Sec-WebSocket-Protocol, empty without it */
  protocols: string;
  /** the header Sec-WebSocket-Version */
  version: string;
  /** the header Sec-WebSocket-Key */
  key: string;
}

export interface EntryRefusal {
  status: 400 | 403 | 404 | 503;
  /** of the status line, e.g. "Bad Request" */
  statusText: string;
  headers: readonly (readonly [name: string, value: string])[];
  body: string;
}

/** The order is the one of cost to us, but for the gate: who is not let in learns nothing else. */
export function judgeEntry(
  request: EntryRequest,
  { path, gate }: Pick<TransportOptions, 'path' | 'gate'>,
): EntryRefusal | Upgrade {
  if (request.path !== path) return refusal(404, `Connect at ${path}.`);
  const refused = gate(request.origin, request.address);
  if (refused) return refusal(refused.status, refused.reason);
  if (request.version !== WEBSOCKET_VERSION) {
    return refusal(400, `Speak version ${WEBSOCKET_VERSION} of WebSocket.`);
  }
  if (!KEY_PATTERN.test(request.key)) {
    return refusal(400, 'Send a Sec-WebSocket-Key of 16 bytes in base64.');
  }
  const offered = request.protocols.split(',').map((name) => name.trim());
  if (!offered.includes(SUBPROTOCOL)) {
    return refusal(400, `Offer the subprotocol ${SUBPROTOCOL}.`);
  }
  const ticket = offered
    .find((name) => name.startsWith(TICKET_SUBPROTOCOL_PREFIX))
    ?.slice(TICKET_SUBPROTOCOL_PREFIX.length);
  return { ticket, origin: request.origin };
}

const STATUS_TEXTS = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  503: 'Service Unavailable',
} as const;

/** The connection closes with it: who was refused asks anew, if at all. */
export function refusal(status: EntryRefusal['status'], reason: string): EntryRefusal {
  const headers: [string, string][] = [['Content-Type', 'text/plain; charset=utf-8']];
  if (status === 400) headers.push(['Sec-WebSocket-Version', WEBSOCKET_VERSION]);
  if (status === 503) headers.push(['Retry-After', '1']);
  return { status, statusText: STATUS_TEXTS[status], headers, body: `${reason}\n` };
}
