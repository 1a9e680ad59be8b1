/** How requests go out: by fetch, and for a call that wants it as the upgrade to a socket. */
import { request as send } from 'node:http';
import type { ApiAnswer, ApiRequest, Credentials } from './exchange.ts';

const TIMEOUT_MS = 20_000;
export const UPGRADE_HEADERS = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'taximeter.v1',
};

export type Ask = (
  method: string,
  path: string,
  request?: Partial<ApiRequest>,
) => Promise<ApiAnswer>;

/** @param credentials what each bears; who is not in it bears nothing */
export function asker(urls: readonly string[], credentials: ReadonlyMap<Credentials, string>): Ask {
  return async (method, path, request = {}) => {
    const { headers = {}, body = null, credentials: who = 'key', gateway = 0 } = request;
    const bearer = credentials.get(who);
    const all = { ...headers, ...(bearer && { authorization: `Bearer ${bearer}` }) };
    const url = urls[gateway % urls.length]! + path;
    if ('upgrade' in headers) return upgrade(url, all);
    const response = await fetch(url, {
      method,
      headers: all,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== null && method !== 'GET' && { body }),
    });
    const type = typeOf(response.headers.get('content-type'));
    const { status } = response;
    return { status, type, text: await response.text() };
  };
}

const typeOf = (header: string | null | undefined) => (header ?? '').split(';')[0]!;

function upgrade(url: string, headers: Record<string, string>): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const asked = send(url, { headers, agent: false, timeout: TIMEOUT_MS });
    asked.once('error', reject);
    asked.once('timeout', () => asked.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    asked.once('upgrade', ({ statusCode = 0 }, socket) => {
      socket.on('error', () => {});
      socket.destroy();
      resolve({ status: statusCode, type: '', text: '' });
    });
    asked.once('response', (response) => {
      const { statusCode: status = 0, headers: got } = response;
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more) => {
        text += more;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status, type: typeOf(got['content-type']), text }));
    });
    asked.end();
  });
}
