/** Requests of one call: valid, nearly valid, hostile. */
import fc from 'fast-check';
import type { Api, Call, Parameter } from './document.ts';
import { hostileBodies, hostileTexts, spoiled, spoilings } from './hostile.ts';
import { type Known, valuesOf } from './values.ts';

export interface ApiRequest {
  /** with its query; begins with a slash */
  path: string;
  headers: Record<string, string>;
  body: string | null;
  credentials: Credentials;
  /** whether what stands in the path may have made it another one */
  isPathHostile: boolean;
}
export type Credentials = 'key' | 'ticket' | 'scoped' | 'none' | 'wrong';

const CONTENT_TYPES = [
  ...['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'text/plain'],
  ...['', 'application/json; charset=utf-16', 'application/x-www-form-urlencoded', 'text/html'],
  ...['multipart/form-data; boundary=x', 'application/problem+json', 'application/octet-stream'],
  ...['x', 'application/json/json', '*/*'],
];
/** What a header may carry at all: fetch refuses the rest before it is sent. */
const headerText = (text: string) =>
  text
    .replace(/[^\x20-\x7e\xa0-\xff]/g, '')
    .trim()
    .slice(0, 2_000);

/** Mostly `usual`; else `odd`. */
function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, weight = 6): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: usual, weight }, { arbitrary: odd, weight: 1 });
}

/** An address can't carry half a character. */
const wellFormed = (value: string) => Buffer.from(value).toString();
const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

interface PathPart {
  text: string;
  isHostile: boolean;
}

function pathParts(api: Api, known: Known, { name, schema }: Parameter): fc.Arbitrary<PathPart> {
  const valid = valuesOf(api, known, schema, name).map((value) => ({
    text: encodeURIComponent(wellFormed(text(value))),
    isHostile: false,
  }));
  const hostile = hostileTexts.map((value) => ({
    text: encodeURIComponent(wellFormed(value)),
    isHostile: true,
  }));
  const raw = fc
    .constantFrom('%', '%zz', '%c0%af', '%2e%2e', '%2F', '.', '..', '*', ':x', '{x}', '%00', ';a=b')
    .map((value) => ({ text: value, isHostile: true }));
  return mostly(valid, fc.oneof(hostile, raw));
}

function queries(api: Api, known: Known, parameters: readonly Parameter[]): fc.Arbitrary<string> {
  const named = parameters.map(({ name, schema }) => {
    const values = mostly(valuesOf(api, known, schema, name).map(text), hostileTexts, 4);
    return fc
      .option(values, { freq: 1 })
      .map((value) => (value === null ? [] : [[name, value] as const]));
  });
  const extra = fc.option(fc.tuple(hostileTexts, hostileTexts), { freq: 5 });
  return fc.tuple(fc.tuple(...named), extra).map(([pairs, odd]) => {
    const all = [...pairs.flat(), ...(odd === null ? [] : [odd])];
    const [first] = all;
    const twice = odd !== null && first !== undefined ? [...all, first] : all;
    const search = new URLSearchParams(
      twice.map(([name, value]) => [wellFormed(name), wellFormed(value)]),
    );
    return search.size === 0 ? '' : `?${search}`;
  });
}

function bodies(api: Api, known: Known, call: Call): fc.Arbitrary<string | null> {
  if (call.body === null) return fc.constant(null);
  const valid = valuesOf(api, known, call.body);
  const nearly = fc.tuple(valid, spoilings).map(([value, spoiling]) => spoiled(value, spoiling));
  return fc.oneof(
    { arbitrary: valid.map((value) => JSON.stringify(value)), weight: 4 },
    { arbitrary: nearly.map((value) => JSON.stringify(value)), weight: 5 },
    { arbitrary: fc.oneof(hostileBodies, fc.constant(null)), weight: 2 },
  );
}

const idempotencyKeys = mostly(
  fc.stringMatching(/^[\x21-\x7e]{1,40}$/),
  hostileTexts.map(headerText),
  3,
);

export function requestsOf(api: Api, known: Known, call: Call): fc.Arbitrary<ApiRequest> {
  const of = (where: Parameter['in']) => call.parameters.filter((one) => one.in === where);
  const inPath = of('path');
  return fc
    .record({
      parts: fc.tuple(...inPath.map((one) => pathParts(api, known, one))),
      query: queries(api, known, of('query')),
      body: bodies(api, known, call),
      type: mostly(fc.constant('application/json'), fc.constantFrom(...CONTENT_TYPES), 12),
      key: fc.option(idempotencyKeys),
      origin: fc.option(fc.constantFrom('https://evil.example', 'null', 'x', 'http://localhost'), {
        freq: 12,
      }),
      credentials: mostly<Credentials>(
        fc.constant('key'),
        fc.constantFrom('ticket', 'scoped', 'none', 'wrong'),
      ),
    })
    .map(({ parts, query, body, type, key, origin, credentials }) => {
      let path = call.path;
      inPath.forEach(({ name }, i) => {
        path = path.replace(`{${name}}`, () => parts[i]!.text);
      });
      const headers: Record<string, string> = {};
      if (body !== null) headers['content-type'] = type;
      if (key !== null && call.method !== 'GET') headers['idempotency-key'] = key;
      if (origin !== null) headers.origin = origin;
      const isPathHostile = parts.some(({ isHostile }) => isHostile);
      return { path: path + query, headers, body, credentials, isPathHostile };
    });
}
