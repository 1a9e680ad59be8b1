/** The backend's client: a method for each thing a backend does with the meter. */
import { type CallOptions, send } from './call.ts';
import { settingsOf, type TaximeterOptions } from './options.ts';
import { createPurchases } from './purchases.ts';
import type { Answered } from './read-answer.ts';
import { type Answer, type Ask, type Body, pathOf, type Query } from './routes.ts';

export type Ticket = Answer<'post', '/v1/tickets'>;
export type Check = Answer<'post', '/v1/orgs/{org}/check'>;
type Counted = Answer<'post', '/v1/orgs/{org}/consume'>;
/** `repeated`: its Idempotency-Key was counted before; this is what was answered then. */
export type Consumed = Counted & { repeated: boolean };
export type Usage = Answer<'get', '/v1/orgs/{org}/usage'>;
export type TicketBody = Body<'post', '/v1/tickets'>;
export type CheckBody = Body<'post', '/v1/orgs/{org}/check'>;
export type ConsumeBody = Body<'post', '/v1/orgs/{org}/consume'>;

export type Taximeter = ReturnType<typeof createTaximeter>;

/**
 * Every method rejects with `TaximeterProblem` where the gateway says no, and with
 * `TaximeterUnreachable` where it says nothing. Writes carry an Idempotency-Key by themselves and
 * are tried again where that may help; give one (`options.idempotencyKey`) for what your own
 * backend may do twice.
 * @throws TypeError for options that cannot be
 */
export function createTaximeter(options: TaximeterOptions) {
  const settings = settingsOf(options);

  /** Any call of the API document, typed by it: `ask('get', '/v1/orgs/{org}', { path: { org } })`. */
  const ask: Ask = async (verb, template, given) =>
    (await answer(verb, template, given)).body as never;

  async function answer(verb: string, template: string, given: object): Promise<Answered> {
    const { path, query, body, ...rest } = given as CallOptions & {
      path?: Record<string, string>;
      query?: Record<string, unknown>;
      body?: unknown;
    };
    const call = { ...rest, method: verb.toUpperCase(), body };
    return send(settings, { ...call, path: pathOf(template, { path, query }) });
  }

  return {
    ask,

    plans: {
      get: (plan: string, options: CallOptions = {}) =>
        ask('get', '/v1/plans/{plan}', { ...options, path: { plan } }),
      /** Makes or replaces it; running sessions follow within a second. */
      put: (plan: string, body: Body<'put', '/v1/plans/{plan}'>, options: CallOptions = {}) =>
        ask('put', '/v1/plans/{plan}', { ...options, path: { plan }, body }),
    },

    organizations: {
      get: (org: string, options: CallOptions = {}) =>
        ask('get', '/v1/orgs/{org}', { ...options, path: { org } }),
      /** Makes or replaces it: what is left out takes its default. */
      put: (org: string, body: Body<'put', '/v1/orgs/{org}'>, options: CallOptions = {}) =>
        ask('put', '/v1/orgs/{org}', { ...options, path: { org }, body }),
    },

    members: {
      get: (org: string, user: string, options: CallOptions = {}) =>
        ask('get', '/v1/orgs/{org}/members/{user}', { ...options, path: { org, user } }),
      put: (
        org: string,
        user: string,
        body: Body<'put', '/v1/orgs/{org}/members/{user}'>,
        options: CallOptions = {},
      ) => ask('put', '/v1/orgs/{org}/members/{user}', { ...options, path: { org, user }, body }),
    },

    tickets: {
      /** What lets one recorder in. Hand it to its browser and keep it out of URLs and logs. */
      mint: (body: TicketBody, options: CallOptions = {}) =>
        ask('post', '/v1/tickets', { ...options, body }),
    },

    /** Whether a recording could start now. A refusal is an answer, not an error. */
    check: (org: string, body: CheckBody, options: CallOptions = {}) =>
      ask('post', '/v1/orgs/{org}/check', { ...options, path: { org }, body }),

    /** Counts pieces of a feature, or rejects with `limitReached`: both in one step. */
    async consume(org: string, body: ConsumeBody, options: CallOptions = {}): Promise<Consumed> {
      const given = { ...options, path: { org }, body };
      const { body: counted, headers } = await answer('post', '/v1/orgs/{org}/consume', given);
      const repeated = headers.get('idempotency-replayed') === 'true';
      return { ...(counted as Counted), repeated };
    },

    /** The pieces of a job that failed: by `consumption`, or by the `idempotencyKey` of its count. */
    giveBack: (
      org: string,
      body: Body<'post', '/v1/orgs/{org}/consume/undo'>,
      options: CallOptions = {},
    ) => ask('post', '/v1/orgs/{org}/consume/undo', { ...options, path: { org }, body }),

    /** What a recorder without a socket has recorded in all: a repetition counts nothing twice. */
    minutes: (
      org: string,
      body: Body<'post', '/v1/orgs/{org}/minutes'>,
      options: CallOptions = {},
    ) => ask('post', '/v1/orgs/{org}/minutes', { ...options, path: { org }, body }),

    /** Other usage: tokens, bytes, money. An event’s own id makes it count once. */
    usageEvents: (
      org: string,
      body: Body<'post', '/v1/orgs/{org}/usage-events'>,
      options: CallOptions = {},
    ) => ask('post', '/v1/orgs/{org}/usage-events', { ...options, path: { org }, body }),

    sessions: {
      /** Without a socket, for uploads and jobs: say its minutes, and end it. */
      start: (
        org: string,
        body: Body<'post', '/v1/orgs/{org}/sessions'>,
        options: CallOptions = {},
      ) => ask('post', '/v1/orgs/{org}/sessions', { ...options, path: { org }, body }),
      end: (
        session: string,
        org: string,
        body: Body<'post', '/v1/sessions/{session}/end'> = {},
        options: CallOptions = {},
      ) =>
        ask('post', '/v1/sessions/{session}/end', {
          ...options,
          ...{ path: { session }, query: { org }, body },
        }),
      list: (
        org: string,
        query: Query<'get', '/v1/orgs/{org}/sessions'> = {},
        options: CallOptions = {},
      ) => ask('get', '/v1/orgs/{org}/sessions', { ...options, path: { org }, query }),
      /** With its receipt: every second by source and lot. */
      get: (session: string, org: string, options: CallOptions = {}) =>
        ask('get', '/v1/sessions/{session}', { ...options, path: { session }, query: { org } }),
      stop: (session: string, org: string, options: CallOptions = {}) =>
        ask('post', '/v1/sessions/{session}/stop', {
          ...options,
          ...{ path: { session }, query: { org } },
        }),
    },

    /** Now, live from the meter; with `user` of that member's own budget. */
    usage: (
      org: string,
      query: Query<'get', '/v1/orgs/{org}/usage'> = {},
      options: CallOptions = {},
    ) => ask('get', '/v1/orgs/{org}/usage', { ...options, path: { org }, query }),
    history: (
      org: string,
      query: Query<'get', '/v1/orgs/{org}/usage/history'> = {},
      options: CallOptions = {},
    ) => ask('get', '/v1/orgs/{org}/usage/history', { ...options, path: { org }, query }),
    /** CSV */
    report: (
      org: string,
      query: Query<'get', '/v1/orgs/{org}/usage/report'> = {},
      options: CallOptions = {},
    ) => ask('get', '/v1/orgs/{org}/usage/report', { ...options, path: { org }, query }),

    packages: {
      /** What can be bought, and how it is paid here. */
      list: (query: Query<'get', '/v1/extra-minutes/packages'> = {}, options: CallOptions = {}) =>
        ask('get', '/v1/extra-minutes/packages', { ...options, query }),
      put: (
        name: string,
        body: Body<'put', '/v1/extra-minutes/packages/{package}'>,
        options: CallOptions = {},
      ) =>
        ask('put', '/v1/extra-minutes/packages/{package}', {
          ...options,
          ...{ path: { package: name }, body },
        }),
    },

    purchases: createPurchases(ask),

    adjustments: {
      /** Gives or takes minutes, with a reason: an entry of the ledger. */
      make: (
        org: string,
        body: Body<'post', '/v1/orgs/{org}/adjustments'>,
        options: CallOptions = {},
      ) => ask('post', '/v1/orgs/{org}/adjustments', { ...options, path: { org }, body }),
    },

    periods: {
      /** Ends the present period now. */
      reset: (
        org: string,
        body: Body<'post', '/v1/orgs/{org}/periods/reset'>,
        options: CallOptions = {},
      ) => ask('post', '/v1/orgs/{org}/periods/reset', { ...options, path: { org }, body }),
    },
  };
}
