/** Express 4 and 5: middleware that lets in, counts, and answers refusals by itself. */
import type { Response as ExpressResponse, Request, RequestHandler } from 'express';
import type { Gate, LetIn } from './gate.ts';
import { type MeteredOptions, meteredGate } from './metered-gate.ts';
import { type MinutesOptions, minutesGate } from './minutes-gate.ts';
import { type Refusal, written } from './refusal.ts';
import { answerTicket, type TicketOptions } from './ticket-endpoint.ts';

/** Lets in who has minutes left: else 402, 403, 429 or 503 as a problem document. */
export function requireMinutes(options: MinutesOptions<Request>): RequestHandler {
  return through(minutesGate(options));
}

/** Counts pieces of a feature: else 402, 403 or 503 as a problem document. */
export function metered(options: MeteredOptions<Request>): RequestHandler {
  return through(meteredGate(options));
}

/** `app.post('/ticket', ticketEndpoint(...))`: what the browser's `getTicket` asks for. */
export function ticketEndpoint(options: TicketOptions<Request>): RequestHandler {
  return (request, response, next) => {
    answerTicket(options, request)
      .then(async (answer) => {
        response.status(answer.status);
        for (const [name, value] of answer.headers) response.setHeader(name, value);
        response.end(await answer.text());
      })
      .catch(next);
  };
}

/** What is wrong with the backend itself goes to the app's own error handler. */
function through(gate: Gate<Request>): RequestHandler {
  return (request, response, next) => {
    gate(request).then((passage) => {
      if ('refusal' in passage) return refuse(response, passage.refusal);
      for (const [name, value] of Object.entries(passage.headers)) response.setHeader(name, value);
      giveBackBeforeEnd(response, passage);
      next();
    }, next);
  };
}

function refuse(response: ExpressResponse, refusal: Refusal): void {
  const { status, headers, body } = written(refusal);
  response.status(status);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(body);
}

/**
 * Decided by the status with which the handler ends its answer, whoever still listens: a person who
 * hangs up must not get for nothing what the handler goes on to do.
 */
function giveBackBeforeEnd(response: ExpressResponse, { headers, giveBack }: LetIn): void {
  if (giveBack === null) return;
  const { end } = response;
  response.end = (...given: unknown[]) => {
    response.end = end;
    const finish = () => Reflect.apply(end, response, given);
    if (response.statusCode < 400) return finish();
    if (!response.headersSent) for (const name in headers) response.removeHeader(name);
    // Held back: whoever hears of the failure finds the piece where it was.
    giveBack().then(finish);
    return response;
  };
}
