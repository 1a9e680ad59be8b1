/** Express 4 and 5: middleware that lets in, counts, and answers refusals by itself. */
import type { Response as ExpressResponse, Request, RequestHandler } from 'express';
import type { Gate, Passage } from './gate.ts';
import { type MeteredOptions, meteredGate } from './metered-gate.ts';
import { type MinutesOptions, minutesGate } from './minutes-gate.ts';
import { isOfBody, type Refusal, written } from './refusal.ts';
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
      setHeaders(response, passage.headers);
      if (passage.settle !== null) settleBeforeEnd(response, passage.settle);
      next();
    }, next);
  };
}

function refuse(response: ExpressResponse, refusal: Refusal): void {
  const { status, headers, body } = written(refusal);
  response.status(status);
  setHeaders(response, headers);
  response.end(body);
}

function setHeaders(response: ExpressResponse, headers: Readonly<Record<string, string>>): void {
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

/**
 * Holds the end of the answer back until it is counted. An answer that has not begun to be sent is
 * replaced by the refusal; of one that streams nothing can be taken back, and its end is sent.
 */
function settleBeforeEnd(response: ExpressResponse, settle: () => Promise<Passage>): void {
  const { end } = response;
  const finish = (given: unknown[]) => Reflect.apply(end, response, given);
  response.end = (...given: unknown[]) => {
    // Once: what is sent from here on is the answer.
    response.end = end;
    if (response.statusCode >= 400) return finish(given);
    settle().then(
      (passage) => {
        if (!('refusal' in passage)) {
          setHeaders(response, passage.headers);
          return finish(given);
        }
        if (response.headersSent) return finish(given);
        for (const name of response.getHeaderNames()) {
          if (isOfBody(name)) response.removeHeader(name);
        }
        refuse(response, passage.refusal);
      },
      // The backend itself is at fault, after its handler is through: nobody else can answer.
      () => {
        if (response.headersSent) response.destroy();
        else refuse(response, BROKEN);
      },
    );
    return response;
  };
}

const BROKEN: Refusal = {
  status: 500,
  code: 'unexpected',
  title: 'Unexpected error',
  detail: 'What was asked for could not be counted: tell the operator of this app.',
  actions: [],
  retryAfterSeconds: null,
};
