/** Hono: middleware that lets in, counts, and answers refusals by itself. */
import type { Context, Env, Handler, MiddlewareHandler } from 'hono';
import type { Gate } from './gate.ts';
import { type MeteredOptions, meteredGate } from './metered-gate.ts';
import { type MinutesOptions, minutesGate } from './minutes-gate.ts';
import { refusalResponse } from './refusal.ts';
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
    const { headers, giveBack } = passage;
    if (giveBack !== null && c.res.status >= 400) return giveBack();
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
  };
}
