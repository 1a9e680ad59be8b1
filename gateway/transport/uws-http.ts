/** HTTP beside the sockets of uWebSockets.js, answered by a handler of the Fetch standard. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TransportOptions } from './transport.ts';
import { addressText } from './uws-address.ts';
import { mayHaveBody, readBody, readHead } from './uws-request.ts';
import { writeResponse } from './uws-response.ts';

/**
 * A few KB may hold hundreds of requests, and those that are answered at once are all answered before
 * anything else is heard, sessions included. The next ones wait for the next turn of the event loop;
 * uWebSockets.js cuts off who sends yet more meanwhile.
 */
const MAX_IN_A_TURN = 8;

interface Caller {
  gone: AbortSignal;
  /**
   * Held here until it is answered: the standard lets a request's own signal follow `gone` only while
   * somebody else holds the request, and a handler that waits for that signal holds nothing.
   */
  request: Request | null;
}

export interface UwsHttp {
  answer(response: HttpResponse, request: HttpRequest): void;
  /** From here on each answer closes its connection. */
  closing(): void;
  /** requests that are not answered in full */
  readonly open: number;
}

export function createUwsHttp({
  fetch,
  maxBodyBytes,
}: Pick<TransportOptions, 'fetch' | 'maxBodyBytes'>): UwsHttp {
  let open = 0;
  let isClosing = false;
  let inThisTurn = 0;

  function isLate(): boolean {
    if (inThisTurn === 0) {
      setImmediate(() => {
        inThisTurn = 0;
      });
    }
    inThisTurn += 1;
    return inThisTurn > MAX_IN_A_TURN;
  }

  /** All that is read of the two arguments is read before the first await. */
  async function exchange(to: HttpResponse, from: HttpRequest, caller: Caller): Promise<void> {
    const { gone } = caller;
    const head = readHead(from);
    const address = addressText(to.getRemoteAddress());
    if (head === null)
      return refuse(to, '400 Bad Request', 'That is no request this server can read.');
    const body = mayHaveBody(head) ? await readBody(to, maxBodyBytes(from.getUrl())) : null;
    if (isLate()) await nextTurn();
    if (gone.aborted) return;
    const { method, url, headers } = head;
    let request: Request;
    try {
      const init = { method, headers, signal: gone };
      request = new Request(url, body === null ? init : { ...init, body: body.bytes });
      caller.request = request;
    } catch {
      // TRACE and CONNECT, which the standard forbids
      return refuse(to, '501 Not Implemented', `Nothing here takes ${method}.`);
    }
    const response = await answerTo(request, address);
    if (gone.aborted) return void response.body?.cancel();
    const closes = isClosing || body?.isRead === false;
    await writeResponse(response, { to, gone, method, closes });
  }

  /** It answers its own errors; what it throws all the same is nobody else's to read. */
  async function answerTo(request: Request, address: string): Promise<Response> {
    try {
      return await fetch(request, address);
    } catch {
      return new Response('Something went wrong here.\n', { status: 500 });
    }
  }

  return {
    answer(to, from) {
      const leaving = new AbortController();
      const caller: Caller = { gone: leaving.signal, request: null };
      let isOpen = true;
      open += 1;
      const ended = () => {
        if (isOpen) open -= 1;
        isOpen = false;
        caller.request = null;
      };
      to.onAborted(() => {
        leaving.abort();
        ended();
      });
      exchange(to, from, caller)
        // What was begun can't be told otherwise any more: its reader must see that it is not whole.
        .catch(() => {
          if (!caller.gone.aborted) to.close();
        })
        .finally(ended);
    },
    closing() {
      isClosing = true;
    },
    get open() {
      return open;
    },
  };
}

function refuse(to: HttpResponse, status: string, sentence: string): void {
  to.cork(() => {
    to.writeStatus(status).writeHeader('content-type', 'text/plain; charset=utf-8');
    to.end(`${sentence}\n`, true);
  });
}
