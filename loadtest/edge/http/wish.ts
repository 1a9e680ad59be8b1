/**
 * An id that a request asks for, before it is known which there are: of the request's own scene, of
 * another one, of another kind, or one that was told, and spoiled.
 */
import fc from 'fast-check';
import { PICKS, type Pool, type Scene } from './pool.ts';

type How = 'own' | 'any' | 'other' | 'cut' | 'changed' | 'forged';

export class Wish {
  readonly kind: string;
  readonly how: How;
  readonly pick: number;
  /** what is sent where nothing is known */
  readonly otherwise: unknown;
  constructor(kind: string, how: How, pick: number, otherwise: unknown) {
    this.kind = kind;
    this.how = how;
    this.pick = pick;
    this.otherwise = otherwise;
  }
}

export const picks = fc.nat(PICKS - 1);
const often = (how: How, weight: number) => ({ arbitrary: fc.constant(how), weight });
const HOW = fc.oneof(
  ...[often('own', 24), often('any', 3), often('other', 1), often('cut', 1), often('changed', 1)],
);
const HOW_CURSOR = fc.oneof(
  often('own', 6),
  often('any', 1),
  often('other', 1),
  often('forged', 4),
);

export function wishes(kind: string, otherwise: fc.Arbitrary<unknown>): fc.Arbitrary<Wish> {
  const how = kind.startsWith('cursor ') ? HOW_CURSOR : HOW;
  return fc
    .tuple(how, picks, otherwise)
    .map(([how, pick, otherwise]) => new Wish(kind, how, pick, otherwise));
}

/** The value with its wishes fulfilled. */
export function fulfilled(value: unknown, pool: Pool, scene: Scene): unknown {
  if (value instanceof Wish) return grant(value, pool, scene);
  if (Array.isArray(value)) return value.map((item) => fulfilled(item, pool, scene));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, fulfilled(inner, pool, scene)]),
  );
}

function grant({ kind, how, pick, otherwise }: Wish, pool: Pool, scene: Scene): unknown {
  const any = pool.one(kind, pick);
  const own = scene[kind] ?? any;
  switch (how) {
    case 'any':
      return any ?? otherwise;
    case 'other':
      return pool.other(kind, pick) ?? otherwise;
    case 'cut':
      return own === undefined ? otherwise : own.slice(0, pick % own.length);
    case 'changed':
      return own === undefined ? otherwise : changed(own, pick);
    case 'forged':
      return forged(own ?? pool.one('cursor', pick), pick);
    default:
      return own ?? otherwise;
  }
}

function changed(text: string, pick: number): string {
  const at = pick % text.length;
  return `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`;
}

/** What stands in a cursor is not for callers, and they can read and write it all the same. */
const PARTS: readonly unknown[] = [
  ...[0, -1, 0.5, 2 ** 31, 2 ** 53, 2 ** 53 + 2, -(2 ** 63), 1e21, 1e308, 253_402_214_400_000],
  ...['', 'x', '0', 'a\u0000', '\ud800', 'z'.repeat(600), '2026-03-01T00:00:00Z', "' or 1=1 --"],
  ...[null, true, [], {}, [1], { toString: 1 }, '0191d3f6-7b1c-7e2a-9c53-2f8d1b7a4e60'],
];
const LISTS = ['plans', 'orgs', 'members', 'keys', 'purchases', 'sessions', 'live-sessions', ''];

function forged(known: string | undefined, pick: number): string {
  const part = PARTS[pick % PARTS.length];
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(known ?? '', 'base64url').toString());
  } catch {
    parts = [LISTS[pick % LISTS.length], pick, 'a'];
  }
  if (!Array.isArray(parts)) parts = [parts];
  const list = [...(parts as unknown[])];
  // Mostly a part of the key; now and then the list it is of, one part too few, or one too many.
  const at = Math.floor(pick / PARTS.length) % (list.length + 3);
  if (at < list.length) list[at] = part;
  else if (at === list.length) list.push(part);
  else if (at === list.length + 1) list.pop();
  else return Buffer.from(JSON.stringify(part) ?? '').toString('base64url');
  return Buffer.from(JSON.stringify(list)).toString('base64url');
}
