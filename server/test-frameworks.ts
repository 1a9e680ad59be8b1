/** The same handler behind the same gate, in each framework: what holds in one must hold in all. */
import type { AddressInfo } from 'node:net';
import express, { type Request as ExpressRequest } from 'express';
import { type Context, Hono } from 'hono';
import * as forExpress from './express.ts';
import type { Who } from './gate.ts';
import * as forHono from './hono.ts';
import type { MeteredOptions } from './metered-gate.ts';
import type { MinutesOptions } from './minutes-gate.ts';
import * as forNext from './next.ts';
import type { TicketOptions } from './ticket-endpoint.ts';

/** Options of a gate, but for how to read a request, which each framework does its own way. */
type Without<Options> = Omit<Options, 'who' | 'asks' | 'idempotencyKey' | 'ticket'>;
export interface App {
  minutes?: Without<MinutesOptions<never>> & { asks?: { plannedMs: number } };
  metered?: Without<MeteredOptions<never>> & { isNamed?: boolean };
  ticket?: Without<TicketOptions<never>>;
  /** What the handler answers; throws what is an Error. */
  handler?: () => Promise<{ status: number; body: string } | Error>;
}

export interface Running {
  call(headers?: Record<string, string>): Promise<Response>;
  /** How often the handler ran. */
  runs(): number;
  stop(): Promise<void>;
}
export const FRAMEWORKS = { express: onExpress, hono: onHono, next: onNext } as const;

/** Signed in is who the header `x-user` names, in the organization "acme". */
const whoOf = (user: string | null | undefined): Who | null =>
  user ? { org: 'acme', user } : null;
type Read<R> = (request: R, header: string) => string | null | undefined;

function optionsFor<R>({ minutes, metered, ticket }: App, read: Read<R>) {
  const who = (request: R) => whoOf(read(request, 'x-user'));
  const { asks, ...minutesRest } = minutes ?? ({} as NonNullable<App['minutes']>);
  const { isNamed, ...meteredRest } = metered ?? ({} as NonNullable<App['metered']>);
  const named = { idempotencyKey: (request: R) => read(request, 'idempotency-key') ?? undefined };
  return {
    minutes: minutes && ({ ...minutesRest, who, ...(asks && { asks: () => asks }) } as never),
    metered: metered && ({ ...meteredRest, who, ...(isNamed && named) } as never),
    ticket: ticket && ({ ...ticket, who } as never),
  };
}

async function onExpress(app: App): Promise<Running> {
  const server = express();
  server.set('env', 'test');
  let count = 0;
  const options = optionsFor<ExpressRequest>(app, (request, name) => request.get(name));
  if (options.ticket) server.post('/', forExpress.ticketEndpoint(options.ticket));
  if (options.minutes) server.use(forExpress.requireMinutes(options.minutes));
  if (options.metered) server.use(forExpress.metered(options.metered));
  server.post('/', async (_request, response) => {
    count += 1;
    const answer = await app.handler!();
    if (answer instanceof Error) throw answer;
    response.status(answer.status).send(answer.body);
  });
  const broken: express.ErrorRequestHandler = (error, _request, response, _next) => {
    response.status(500).send(`failed: ${error.name}`);
  };
  server.use(broken);
  const listening = server.listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  const { port } = listening.address() as AddressInfo;
  return {
    call: (headers = {}) => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers }),
    runs: () => count,
    async stop() {
      listening.closeAllConnections();
      await new Promise((resolve) => listening.close(resolve));
    },
  };
}

async function onHono(app: App): Promise<Running> {
  const server = new Hono();
  let count = 0;
  const options = optionsFor<Context>(app, (c, name) => c.req.header(name));
  // What came before must hold for refusals, too.
  server.use(async (c, next) => {
    c.header('x-before', 'there');
    await next();
  });
  if (options.ticket) server.post('/', forHono.ticketEndpoint(options.ticket));
  if (options.minutes) server.use(forHono.requireMinutes(options.minutes));
  if (options.metered) server.use(forHono.metered(options.metered));
  server.post('/', async (c) => {
    count += 1;
    const answer = await app.handler!();
    if (answer instanceof Error) throw answer;
    return c.body(answer.body, answer.status as 200);
  });
  server.onError((error, c) => c.text(`failed: ${error.name}`, 500));
  return {
    call: async (headers = {}) => server.request('/', { method: 'POST', headers }),
    runs: () => count,
    async stop() {},
  };
}

async function onNext(app: App): Promise<Running> {
  let count = 0;
  const options = optionsFor<Request>(app, (request, name) => request.headers.get(name));
  const handler = async () => {
    count += 1;
    const answer = await app.handler!();
    if (answer instanceof Error) throw answer;
    return new Response(answer.body, { status: answer.status });
  };
  const POST = options.ticket
    ? forNext.ticketEndpoint(options.ticket)
    : options.minutes
      ? forNext.requireMinutes(options.minutes, handler)
      : forNext.metered(options.metered!, handler);
  return {
    call: async (headers = {}) =>
      // Next answers what a route throws.
      POST(new Request('http://app.example/', { method: 'POST', headers }), undefined).catch(
        (error: Error) => new Response(`failed: ${error.name}`, { status: 500 }),
      ),
    runs: () => count,
    async stop() {},
  };
}
