/** A client's opening handshake (RFC 6455, section 4.1) as lines, each of which may be changed. */
import { createHash } from 'node:crypto';
import { SUBPROTOCOL } from '../../../core/protocol/messages.ts';

export const CONNECT_PATH = '/v1/connect';
/** the example of section 1.3 */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What the server must answer to a key (section 4.2.2, 5.4). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

export type Lines = Record<string, string | null | readonly string[]>;

/** Null leaves a header out, a list sends it several times, a new one is added. */
export function handshake(changes: Lines = {}, requestLine = `GET ${CONNECT_PATH} HTTP/1.1`) {
  const lines: Lines = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    'Sec-WebSocket-Protocol': SUBPROTOCOL,
    ...changes,
  };
  const headers = Object.entries(lines).flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}`),
  );
  return `${[requestLine, ...headers].join('\r\n')}\r\n\r\n`;
}
