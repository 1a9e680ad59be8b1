/** Next.js route handlers, and whatever else answers a `Request` with a `Response`. */
import type { Gate, ResponseHeaders } from './gate.ts';
import { type MeteredOptions, meteredGate } from './metered-gate.ts';
import { type MinutesOptions, minutesGate } from './minutes-gate.ts';
import { refusalResponse } from './refusal.ts';
import { answerTicket, type TicketOptions } from './ticket-endpoint.ts';

export type RouteHandler<R extends Request, Context> = (
  request: R,
  context: Context,
) => Response | Promise<Response>;
type Route<R extends Request, Context> = (request: R, context: Context) => Promise<Response>;

/** `export const POST = requireMinutes({ ... }, handler)` */
export function requireMinutes<R extends Request, Context>(
  options: MinutesOptions<R>,
  handler: RouteHandler<R, Context>,
): Route<R, Context> {
  const gate = minutesGate(options);
  return (request, context) => answerThrough(gate, request, () => handler(request, context));
}

/** `export const POST = metered({ feature: 'export', ... }, handler)` */
export function metered<R extends Request, Context>(
  options: MeteredOptions<R>,
  handler: RouteHandler<R, Context>,
): Route<R, Context> {
  const gate = meteredGate(options);
  return (request, context) => answerThrough(gate, request, () => handler(request, context));
}

/** `export const POST = ticketEndpoint({ ... })`: what the browser's `getTicket` asks for. */
export function ticketEndpoint<R extends Request>(
  options: TicketOptions<R>,
): (request: R) => Promise<Response> {
  return (request) => answerTicket(options, request);
}

async function answerThrough<R>(
  gate: Gate<R>,
  request: R,
  run: () => Response | Promise<Response>,
): Promise<Response> {
  const passage = await gate(request);
  if ('refusal' in passage) return refusalResponse(passage.refusal);
  const { headers, giveBack } = passage;
  let response: Response;
  try {
    response = await run();
  } catch (error) {
    // Next itself answers what a handler throws. It throws its redirects, too: those are answers.
    if (!isOfNext(error)) await giveBack?.();
    throw error;
  }
  if (giveBack !== null && response.status >= 400) {
    await giveBack();
    return response;
  }
  return withHeaders(response, headers);
}

function isOfNext(error: unknown): boolean {
  const { digest } = (error ?? {}) as { digest?: unknown };
  return typeof digest === 'string' && digest.startsWith('NEXT_REDIRECT');
}

/** Headers of a redirect, or of what `fetch` brought, cannot be changed: then a copy has them. */
function withHeaders(response: Response, headers: ResponseHeaders): Response {
  const all = new Headers(response.headers);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: all });
}
