/** Hono: middleware that lets in, counts, and answers refusals by itself. */
import type { Context, Env, Handler, MiddlewareHandler } from 'hono';
import type { Gate } from './gate.ts';
import { type MeteredOptions, meteredGate } from './metered-gate.ts';
import { type MinutesOptions, minutesGate } from './minutes-gate.ts';
import { isOfBody, refusalResponse } from './refusal.ts';
import { answerTicket, type TicketOptions } from './ticket-endpoint.ts';

/** Lets in who has minutes left: else 402, 403, 429 or 503 as a problem document. */
export function requireMinutes<E extends Env>(
  options: MinutesOptions<Context<E>>,
): MiddlewareHandler<E> {
  return through(minutesGate(options));
}

/** Counts pieces of a feature: else 402, 403 or 503 as a problem document. */
export function metered<E extends Env>(options: MeteredOptions<Context<E>>): MiddlewareHandler<E> {
  return through(meteredGate(options));
}

/** `app.post('/ticket', ticketEndpoint(...))`: what the browser's `getTicket` asks for. */
export function ticketEndpoint<E extends Env>(options: TicketOptions<Context<E>>): Handler<E> {
  return (c) => answerTicket(options, c);
}

function through<E extends Env>(gate: Gate<Context<E>>): MiddlewareHandler<E> {
  return async (c, next) => {
    const passage = await gate(c);
    if ('refusal' in passage) return refusalResponse(passage.refusal);
    await next();
    let { headers } = passage;
    if (passage.settle !== null && c.res.status < 400) {
      const settled = await passage.settle();
      if ('refusal' in settled) return replace(c, refusalResponse(settled.refusal));
      headers = settled.headers;
    }
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
  };
}

/** What other middleware said of the answer, of origins and cookies, holds for this one too. */
async function replace(c: Context, answer: Response): Promise<void> {
  for (const [name, value] of c.res.headers) {
    if (!isOfBody(name) && !answer.headers.has(name)) answer.headers.append(name, value);
  }
  await c.res.body?.cancel();
  // Else Hono would add the headers of the old answer's body, too.
  c.res = undefined;
  c.res = answer;
}
