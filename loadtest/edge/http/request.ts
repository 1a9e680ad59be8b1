/**
 * Requests of one call: valid, nearly valid, hostile. They are drafts first, which name what they want
 * of the answers before, so that the same seed drafts the same ones whatever ids there are.
 */
import fc from 'fast-check';
import { UPGRADE_HEADERS } from './asking.ts';
import type { Api, Call, Parameter } from './document.ts';
import type { ApiRequest, Credentials } from './exchange.ts';
import { hostileBodies, hostileTexts, type Spoiling, spoiled, spoilings } from './hostile.ts';
import { isId, kindOf, kindsOf } from './kinds.ts';
import type { Pool } from './pool.ts';
import { type Taste, valuesOf } from './values.ts';
import { fulfilled, picks, Wish, wishes } from './wish.ts';

type Body = { value: unknown; spoiling: Spoiling | null } | { text: string } | null;
export interface Draft {
  /** which of the scenes that fit */
  scene: number;
  parts: readonly PathPart[];
  query: readonly (readonly [string, unknown])[];
  odd: readonly [string, string] | null;
  body: Body;
  type: string;
  key: unknown;
  origin: string | null;
  /** those of an upgrade to a socket, where the call asks for one */
  upgrade: Record<string, string> | null;
  credentials: Credentials;
  gateway: number;
}
interface PathPart {
  value: unknown;
  /** as it is, with what an address has no place for */
  isRaw: boolean;
  isHostile: boolean;
}

const CONTENT_TYPES = [
  ...['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'text/plain'],
  ...['', 'application/json; charset=utf-16', 'application/x-www-form-urlencoded', 'text/html'],
  ...['multipart/form-data; boundary=x', 'application/problem+json', 'application/octet-stream'],
  ...['x', 'application/json/json', '*/*'],
];
const RAW_PARTS = [
  ...['%', '%zz', '%c0%af', '%2e%2e', '%2F', '.', '..', '*', ':x', '{x}', '%00', ';a=b'],
];
const ORIGINS = ['https://evil.example', 'null', 'x', 'http://localhost'];
/** What an address has as it is; of anything else it may make another one. */
const PLAIN = /^[A-Za-z0-9_-][A-Za-z0-9._:-]*$/;
/** Of twelve fields that may be left out. */
const MANY = 6;
const FEW = 3;

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
const text = (value: unknown) =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));

function pathParts(taste: Taste, { name, schema }: Parameter): fc.Arbitrary<PathPart> {
  const part = (isRaw: boolean, isHostile: boolean) => (value: unknown) => ({
    ...{ value, isRaw, isHostile },
  });
  const valid = valuesOf(taste, schema, name).map(part(false, false));
  const raw = fc.constantFrom(...RAW_PARTS).map(part(true, true));
  return mostly(valid, fc.oneof(hostileTexts.map(part(false, true)), raw), 14);
}

function queries(taste: Taste, parameters: readonly Parameter[]) {
  const named = parameters.map(({ name, schema }) => {
    const values = mostly(valuesOf(taste, schema, name), hostileTexts, isId(schema, name) ? 9 : 4);
    return fc
      .option(values, { freq: 1 })
      .map((value) => (value === null ? [] : [[name, value] as const]));
  });
  return fc.tuple(...named).map((pairs) => pairs.flat());
}

function bodies(taste: Taste, call: Call): fc.Arbitrary<Body> {
  if (call.body === null) return fc.constant(null);
  const of = (optional: number) => valuesOf({ ...taste, optional }, call.body!);
  const valid = mostly(of(FEW), of(MANY), 2);
  const hostile = hostileBodies.map((text) => ({ text }));
  const asIs: fc.Arbitrary<Body> = valid.map((value) => ({ value, spoiling: null }));
  const nearly: fc.Arbitrary<Body> = fc.record({ value: valid, spoiling: spoilings });
  return fc.oneof(
    { arbitrary: asIs, weight: 6 },
    { arbitrary: nearly, weight: 3 },
    { arbitrary: fc.oneof(hostile, fc.constant(null)) as fc.Arbitrary<Body>, weight: 1 },
  );
}

const idempotencyKeys = fc.oneof(
  { arbitrary: fc.stringMatching(/^[\x21-\x7e]{1,40}$/), weight: 6 },
  { arbitrary: wishes('idempotencyKey', fc.constant('a-key')), weight: 1 },
  { arbitrary: hostileTexts, weight: 2 },
);

/** Mostly as a recorder has them; else one of them is missing or another. */
function upgrades(call: Call): fc.Arbitrary<Record<string, string> | null> {
  if (!('426' in call.answers)) return fc.constant(null);
  const names = Object.keys(UPGRADE_HEADERS).slice(2);
  const values = fc.constantFrom('', '0', '8', 'x', 'AAAAAAAAAAAAAAAAAAAAAA==', 'taximeter.v9');
  const odd = fc.record({ name: fc.constantFrom(...names), value: values });
  const asIs: fc.Arbitrary<Record<string, string> | null> = fc.constant(UPGRADE_HEADERS);
  return fc.oneof(
    asIs,
    fc.constant(null),
    odd.map(({ name, value }) => ({ ...UPGRADE_HEADERS, [name]: value })),
  );
}

export function draftsOf(api: Api, call: Call): fc.Arbitrary<Draft> {
  const of = (where: Parameter['in']) => call.parameters.filter((one) => one.in === where);
  const taste: Taste = { api, path: call.path, optional: MANY };
  return fc.record({
    scene: picks,
    parts: fc.tuple(...of('path').map((one) => pathParts(taste, one))),
    query: queries(taste, of('query')),
    odd: mostly(fc.constant(null), fc.tuple(hostileTexts, hostileTexts)),
    body: bodies(taste, call),
    type: mostly(fc.constant('application/json'), fc.constantFrom(...CONTENT_TYPES), 12),
    key: fc.oneof(fc.constant(null), idempotencyKeys),
    origin: mostly<string | null>(fc.constant(null), fc.constantFrom(...ORIGINS), 12),
    upgrade: upgrades(call),
    credentials: mostly<Credentials>(
      fc.constant('key'),
      fc.constantFrom('ticket', 'scoped', 'tenant', 'none', 'wrong'),
      5,
    ),
    gateway: fc.nat(1),
  });
}

/** The draft with what is known by now. */
export function requestOf(api: Api, call: Call, pool: Pool, draft: Draft): ApiRequest {
  const kinds = kindsOf(api, call);
  const inPath = call.parameters.filter((one) => one.in === 'path');
  // Mostly one that has all that the call takes; else any that has its path.
  const few = inPath.map(({ name }) => kindOf(name, call.path));
  const scene = pool.scene(draft.scene % 4 === 0 ? few : kinds, draft.scene);
  const full = (value: unknown) => fulfilled(value, pool, scene);

  let { path } = call;
  let isPathHostile = false;
  const about: Record<string, string> = {};
  inPath.forEach(({ name }, i) => {
    const { value, isRaw, isHostile } = draft.parts[i]!;
    const part = text(full(value));
    isPathHostile ||= isHostile || (value instanceof Wish && !PLAIN.test(part));
    about[kindOf(name, call.path)] = part;
    path = path.replace(`{${name}}`, () => (isRaw ? part : encodeURIComponent(wellFormed(part))));
  });
  const pairs = draft.query.map(([name, value]) => [name, text(full(value))] as const);
  const [first] = pairs;
  // Now and then a name that nobody knows, and a known one twice.
  const odd = draft.odd === null ? [] : first === undefined ? [draft.odd] : [draft.odd, first];
  const search = new URLSearchParams(
    [...pairs, ...odd].map(([name, value]) => [wellFormed(name), wellFormed(value)]),
  );
  const body = bodyText(draft.body, full);
  const headers: Record<string, string> = {};
  if (body !== null) headers['content-type'] = draft.type;
  if (draft.key !== null && call.method !== 'GET') {
    const key = headerText(text(full(draft.key)));
    headers['idempotency-key'] = key;
    about.idempotencyKey = key;
  }
  if (draft.origin !== null) headers.origin = draft.origin;
  Object.assign(headers, draft.upgrade);
  const { credentials, gateway } = draft;
  const query = search.size === 0 ? '' : `?${search}`;
  return { path: path + query, headers, body, credentials, gateway, isPathHostile, scene: about };
}

function bodyText(body: Body, full: (value: unknown) => unknown): string | null {
  if (body === null) return null;
  if ('text' in body) return body.text;
  const value = full(body.value);
  return JSON.stringify(body.spoiling === null ? value : spoiled(value, body.spoiling)) ?? null;
}
