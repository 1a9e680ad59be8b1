/**
 * Asks every call of a served API document, as property tests made of its own schemas: no request may
 * be answered 5xx, and every answer must be as the document says. A write with an Idempotency-Key is
 * sent again and must be answered the same. All calls come in turn, round after round, so that what
 * one answered is there for the others to ask for.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { type Ask, asker } from './asking.ts';
import { type Api, type Call, type Document, readApi } from './document.ts';
import type { ApiAnswer, ApiRequest, Credentials } from './exchange.ts';
import { openGround } from './ground.ts';
import { faultOf } from './judge.ts';
import { kindOf, kindsOf, scenesOf } from './kinds.ts';
import { createPool, type Pool } from './pool.ts';
import { draftsOf, requestOf } from './request.ts';
import {
  deeds,
  eventDrafts,
  openStripePage,
  type StripeMeans,
  type StripePage,
  WEBHOOK_PATH,
} from './stripe-page.ts';
import { createTally, type HttpFuzzReport } from './tally.ts';

export interface HttpFuzzOptions {
  /** of gateways on the same stores; requests go to one or the other */
  urls: readonly string[];
  /** one that may do everything */
  apiKey: string;
  seed: number;
  /** of each call, in all rounds together */
  requests: number;
  signal?: AbortSignal;
  /** only calls whose names have this */
  only?: string | undefined;
  /** what the first gateway buys at; left out: there are test payments alone */
  stripe?: StripeMeans;
  progress?(done: number): void;
}

/** So many of a call at once, and so many rounds at most. */
const REQUESTS_A_ROUND = 15;
const MAX_ROUNDS = 12;
const MAX_SHOWN_CHARACTERS = 800;
const SEED_STEP = 7_919;

interface Run {
  api: Api;
  ask: Ask;
  pool: Pool;
  wanted: ReadonlySet<string>;
  stripe: StripePage | null;
}

export async function fuzzHttp(options: HttpFuzzOptions): Promise<HttpFuzzReport> {
  const { urls, apiKey, seed, requests, signal } = options;
  const credentials = new Map<Credentials, string>([
    ['key', apiKey],
    ['wrong', 'tmk_nobody-knows-this-one'],
  ]);
  const ask = asker(urls, credentials);
  const { text } = await ask('GET', '/openapi.json');
  const api = readApi(JSON.parse(text) as Document);
  const wanted = new Set(api.calls.flatMap((call) => kindsOf(api, call)));
  const stripe = options.stripe ? openStripePage(options.stripe, ask) : null;
  const { items } = JSON.parse((await ask('GET', '/v1/api-keys')).text) as {
    items: { id: string }[];
  };
  // Rotated or revoked, it could ask for nothing more.
  const pool = createPool(new Set(items.map(({ id }) => id)));
  const run: Run = { api, ask, pool, wanted: wanted.add('idempotencyKey'), stripe };

  const { only = '' } = options;
  const calls = api.calls.filter(({ id }) => id.includes(only));
  const tally = createTally(seed, calls);
  const rounds = Math.max(1, Math.min(MAX_ROUNDS, Math.floor(requests / REQUESTS_A_ROUND)));
  const each = Math.ceil(requests / rounds);
  for (let round = 0; round < rounds; round++) {
    const ground = await openGround(ask, run.pool, credentials, round);
    let isSpoiled = false;
    for (const [index, call] of ordered(calls, seed, round).entries()) {
      if (signal?.aborted) break;
      if (tally.isFaulty(call)) continue;
      if (isSpoiled) await ground.restore();
      ground.remember();
      isSpoiled = call.method === 'PUT';
      const property = fc.asyncProperty(draftsOf(api, call), eventDrafts, deeds, async (...all) => {
        if (signal?.aborted) return;
        const [draft, event, deed] = all;
        const sent = requestOf(api, call, run.pool, draft);
        const webhook = call.path === WEBHOOK_PATH ? stripe?.webhook(event) : null;
        if (webhook && draft.scene % 4 !== 0) Object.assign(sent, webhook, { gateway: 0 });
        const answer = await ask(call.method, sent.path, sent);
        tally.count(call, answer.status);
        options.progress?.(tally.report.requests);
        const fault = faultOf(api, call, sent, answer) ?? (await again(ask, call, sent, answer));
        if (fault !== null) throw new Error(`${fault}; sent ${shown(sent)}`);
        if (answer.status >= 300) return;
        learn(run, call, sent, answer);
        await stripe?.after(answer, deed);
      });
      const result = await fc.check(property, {
        seed: (seed + (round * 1_000 + index) * SEED_STEP) | 0,
        ...{ numRuns: each, interruptAfterTimeLimit: 600_000 },
      });
      if (result.failed && result.counterexample !== null) {
        const error = result.errorInstance;
        tally.fault(call, error instanceof Error ? error.message : String(error));
      }
    }
  }
  return tally.end();
}

/** As they stand in the document, and in every later round in another order. */
function ordered(calls: readonly Call[], seed: number, round: number): readonly Call[] {
  if (round === 0 || calls.length === 0) return calls;
  const all = fc.shuffledSubarray([...calls], { minLength: calls.length });
  return fc.sample(all, { seed: (seed + round) | 0, numRuns: 1 })[0]!;
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

/** What was told of the thing that was asked about, and of those in it. */
function learn({ wanted, pool }: Run, call: Call, request: ApiRequest, answer: ApiAnswer): void {
  if (!/json/.test(answer.type)) return;
  const about = Object.fromEntries(
    Object.entries(request.scene).filter(([kind, value]) => wanted.has(kind) && value !== ''),
  );
  const sent = objectOf(request.body);
  const around = { ...about };
  for (const [name, value] of Object.entries(sent)) {
    const kind = kindOf(name, call.path);
    if (wanted.has(kind) && typeof value === 'string' && value !== '') around[kind] = value;
  }
  const scenes = scenesOf(wanted, call.path, JSON.parse(answer.text), around);
  for (const scene of scenes) pool.learn(scene);
}

/** A gateway reads some bodies that are no JSON by the letter: with a mark of byte order, say. */
function objectOf(body: string | null): object {
  try {
    return Object(JSON.parse(body ?? '{}'));
  } catch {
    return {};
  }
}

const shown = (sent: ApiRequest) => JSON.stringify(sent).slice(0, MAX_SHOWN_CHARACTERS);
