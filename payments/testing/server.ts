/** What the fake's port answers: the API, the script of a page, the hosted pages. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Account } from './account.ts';
import type { Api } from './api.ts';
import { bankPage, checkoutPage, type Page } from './checkout-page.ts';
import { stripeScript } from './stripe-js.ts';

const BODY_BYTES = 1_000_000;

/** As Stripe's API has it: pages of any origin may call it, by key alone. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, PUT, PATCH, POST, DELETE',
  'access-control-allow-headers': 'authorization, content-type, idempotency-key, stripe-version',
  'access-control-expose-headers': 'Request-Id, Stripe-Manage-Version, Stripe-Should-Retry',
  'access-control-max-age': '300',
};

/** `/v3/` as of old, and `/endive/stripe.js` as it is named now. */
const SCRIPT = /^\/(v3\/?|\w+\/stripe\.js)$/;

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += (part as Buffer).length;
    if (bytes > BODY_BYTES) throw new Error(`A body of more than ${BODY_BYTES} bytes.`);
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

function pageAt(account: Account, method: string, path: string, body: string): Page | null {
  const [, kind, ...rest] = path.split('/');
  if (kind === 'c' && rest[0] === 'pay') return checkoutPage(account, rest[1] ?? '', method, body);
  if (kind === 'authenticate') return bankPage(account, rest[0] ?? '', method, body);
  return null;
}

export function createFakeServer(account: Account, api: Api): Server {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET' } = request;
    if (method === 'OPTIONS') {
      response.writeHead(204, CORS).end();
      return;
    }
    const { pathname: path, search } = new URL(request.url ?? '/', account.baseUrl);
    const body = await readBody(request);
    if (SCRIPT.test(path)) {
      const headers = { ...CORS, 'content-type': 'text/javascript; charset=utf-8' };
      response.writeHead(200, headers).end(stripeScript(account.baseUrl));
      return;
    }
    const page = pageAt(account, method, path, body);
    if (page !== null) {
      const headers = { ...CORS, 'content-type': 'text/html; charset=utf-8' };
      const { status, location } = page;
      const more = location === undefined ? {} : { location };
      response.writeHead(status, { ...headers, ...more }).end(page.html);
      return;
    }
    const headers = request.headers as Record<string, string | undefined>;
    const query = search.slice(1);
    const answered = await api.answer({ method, path, query, headers, body });
    // Cut off: the other side sees a reset connection.
    if (answered === null) request.socket.destroy();
    else {
      response.writeHead(answered.status, { ...CORS, ...answered.headers }).end(answered.body);
    }
  }

  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // The fake's own fault: say it, so that a test does not look for it elsewhere.
      const message = `The fake failed: ${error instanceof Error ? error.stack : String(error)}`;
      if (!response.headersSent) response.writeHead(500, { 'stripe-should-retry': 'false' });
      response.end(JSON.stringify({ error: { type: 'api_error', message } }));
    });
  });
}
