/**
 * Asks every call of a served API document, as property tests made of its own schemas: no request may
 * be answered 5xx, and every answer must be as the document says. A write with an Idempotency-Key is
 * sent again and must be answered the same.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { type Api, type Call, type Document, readApi } from './document.ts';
import { type ApiAnswer, faultOf } from './judge.ts';
import { type ApiRequest, type Credentials, requestsOf } from './request.ts';

export interface HttpFuzzOptions {
  url: string;
  /** one that may do everything */
  apiKey: string;
  seed: number;
  /** of each call */
  requests: number;
  signal?: AbortSignal;
  /** only calls whose names have this */
  only?: string | undefined;
  progress?(done: number): void;
}
export interface HttpFuzzReport {
  seed: number;
  calls: number;
  requests: number;
  seconds: number;
  byStatus: Record<string, number>;
  /** Calls that were never answered with success: their good side was not looked at. */
  neverWell: string[];
  /** by call, with the smallest request that shows it */
  faults: string[];
}

const TIMEOUT_MS = 20_000;
const MAX_KNOWN = 20;
const MAX_SHOWN_CHARACTERS = 600;
const ORG = 'fuzzed';

type Ask = (method: string, path: string, request: Partial<ApiRequest>) => Promise<ApiAnswer>;

export async function fuzzHttp(options: HttpFuzzOptions): Promise<HttpFuzzReport> {
  const { url, apiKey, seed, requests, signal } = options;
  const credentials = new Map<Credentials, string>([
    ['key', apiKey],
    ['wrong', 'tmk_nobody-knows-this-one'],
  ]);
  const ask: Ask = async (
    method,
    path,
    { headers = {}, body = null, credentials: who = 'key' },
  ) => {
    const bearer = credentials.get(who);
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(bearer && { authorization: `Bearer ${bearer}` }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== null && method !== 'GET' && { body }),
    });
    const type = (response.headers.get('content-type') ?? '').split(';')[0]!;
    return {
      status: response.status,
      type,
      text: await response.text(),
      headers: response.headers,
    };
  };

  const { text } = await ask('GET', '/openapi.json', {});
  const api = readApi(JSON.parse(text) as Document);
  const known = new Map<string, string[]>();
  await prepare(ask, known, credentials);
  const report: HttpFuzzReport = {
    ...{ seed, calls: 0, requests: 0, seconds: 0, byStatus: {}, neverWell: [], faults: [] },
  };
  const beganAt = performance.now();
  const calls = api.calls.filter(
    ({ id }) => options.only === undefined || id.includes(options.only),
  );
  for (const [index, call] of calls.entries()) {
    if (signal?.aborted) break;
    await restore(ask);
    let isWell = false;
    const property = fc.asyncProperty(requestsOf(api, known, call), async (request) => {
      if (signal?.aborted) return;
      report.requests += 1;
      options.progress?.(report.requests);
      const answer = await ask(call.method, request.path, request);
      const { status } = answer;
      report.byStatus[status] = (report.byStatus[status] ?? 0) + 1;
      if (status < 300) {
        isWell = true;
        learn(api, known, answer);
      }
      const fault =
        faultOf(api, call, request, answer) ?? (await again(ask, call, request, answer));
      if (fault !== null) throw new Error(fault);
    });
    const result = await fc.check(property, {
      ...{ seed: (seed + index * 7_919) | 0, numRuns: requests, interruptAfterTimeLimit: 600_000 },
    });
    report.calls += 1;
    if (!isWell) report.neverWell.push(call.id);
    if (result.failed && result.counterexample) report.faults.push(shown(call, result));
  }
  report.seconds = (performance.now() - beganAt) / 1_000;
  return report;
}

/** The same request with the same key: the same answer, and nothing is done again. */
async function again(
  ask: Ask,
  call: Call,
  request: ApiRequest,
  first: ApiAnswer,
): Promise<string | null> {
  const takesKey = call.parameters.some(({ name }) => name === 'Idempotency-Key');
  if (!takesKey || first.status >= 300 || !request.headers['idempotency-key']) return null;
  const second = await ask(call.method, request.path, request);
  // A kept answer has its fields in an order of its own.
  const isSame = isDeepStrictEqual(bodyOf(second), bodyOf(first));
  if (second.status === first.status && isSame) return null;
  return `with the same Idempotency-Key it was answered ${second.status}: ${second.text.slice(0, 200)}, first ${first.status}: ${first.text.slice(0, 200)}`;
}

const bodyOf = ({ type, text }: ApiAnswer): unknown =>
  /json/.test(type) ? JSON.parse(text) : text;

async function send(ask: Ask, method: string, path: string, body: object) {
  const headers = { 'content-type': 'application/json' };
  const answer = await ask(method, path, { headers, body: JSON.stringify(body) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.text}`);
  return JSON.parse(answer.text) as Record<string, string>;
}

/** What calls before it may have suspended or used up: so that every call has a good side. */
async function restore(ask: Ask): Promise<void> {
  await send(ask, 'PUT', `/v1/plans/${ORG}`, { name: ORG, features: { analysis: true } });
  await send(ask, 'PUT', `/v1/orgs/${ORG}`, { name: ORG, plan: ORG });
  await send(ask, 'PUT', `/v1/orgs/${ORG}/members/ann`, {});
}

/** Something to ask about: ids that are there, a member's ticket, a key that may little. */
async function prepare(
  ask: Ask,
  known: Map<string, string[]>,
  credentials: Map<Credentials, string>,
): Promise<void> {
  await restore(ask);
  for (const [name, value] of Object.entries({ plan: ORG, org: ORG, user: 'ann' })) {
    known.set(name, [value]);
  }
  const ticket = await send(ask, 'POST', '/v1/tickets', {
    org: ORG,
    user: 'ann',
    ttlSeconds: 3_600,
  });
  credentials.set('ticket', ticket.ticket!);
  const key = await send(ask, 'POST', '/v1/api-keys', { name: 'x', orgs: [ORG], scopes: ['read'] });
  credentials.set('scoped', key.secret!);
  known.set('id', [key.id!]);
}

/** Ids and cursors of an answer, by their names. */
function learn(api: Api, known: Map<string, string[]>, { type, text }: ApiAnswer): void {
  if (!/json/.test(type)) return;
  const wanted = new Set(api.calls.flatMap(({ parameters }) => parameters.map(({ name }) => name)));
  function look(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      const as = name === 'nextCursor' ? 'cursor' : name;
      if (typeof inner === 'string' && wanted.has(as)) {
        const ids = known.get(as) ?? [];
        if (!ids.includes(inner) && ids.length < MAX_KNOWN) known.set(as, [...ids, inner]);
      } else look(inner);
    }
  }
  look(JSON.parse(text));
}

function shown(call: Call, result: fc.RunDetails<[ApiRequest]>): string {
  const [request] = result.counterexample!;
  const why = result.errorInstance instanceof Error ? result.errorInstance.message : 'it failed';
  const sent = JSON.stringify(request).slice(0, MAX_SHOWN_CHARACTERS);
  return `${call.id} (${call.method} ${call.path}): ${why}; sent ${sent}`;
}
