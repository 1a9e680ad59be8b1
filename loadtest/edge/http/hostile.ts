/** What nobody should send: values of no schema, bodies that are none, and valid ones spoiled. */
import fc from 'fast-check';

const deep = (text: string, times: number, end = '') => text.repeat(times) + end.repeat(times);

export const HOSTILE_TEXTS = [
  ...['', ' ', '\u0000', 'a\u0000b', '\ud800', '\udfff\ud800', '\u202e', '\ufeff', '\n', '🙂'],
  ...[
    "' or 1=1 --",
    '"; drop table plans; --',
    '$1',
    '%',
    '%00',
    '..',
    '../..',
    '/',
    '\\',
    '?',
    '#',
  ],
  ...['__proto__', 'constructor', 'toString', '<script>', '{{7*7}}', '-1', 'null', 'NaN', '1e999'],
  ...['A'.repeat(129), 'é'.repeat(200), 'x'.repeat(5_000), '9'.repeat(400), 'a,b', 'a|b', '|', ':'],
  ...['0000-01-01', '0001-01-01', '9999-12-31', '0000-01-01T00:00:00Z'],
  ...[
    '9999-12-31T23:59:59-23:59',
    '0001-01-01T00:00:00Z',
    '275760-09-13T00:00:00.001Z',
    '+275761-01-01T00:00:00Z',
  ],
  ...['9999-12-31T23:59:59.999Z', '2026-02-30', '-000001-01-01T00:00:00Z', 'infinity', 'now'],
];
const HOSTILE_VALUES: readonly unknown[] = [
  ...HOSTILE_TEXTS,
  ...[null, true, false, 0, -0, -1, 0.1, -0.1, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 32, 2 ** 53],
  ...[2 ** 53 + 2, 2 ** 63, -(2 ** 63), 1e21, [], {}, [[]], [null], { a: { b: {} } }, [1, 'a', {}]],
  ...[
    Array(300).fill('a'),
    Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i])),
  ],
];
export const hostileTexts = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
export const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...HOSTILE_VALUES),
  fc.jsonValue({ maxDepth: 3 }),
  hostileTexts,
);

/** A body as text; most of them no JSON of any schema. */
export const hostileBodies: fc.Arbitrary<string> = fc.oneof(
  hostileValues.map((value) => JSON.stringify(value)),
  fc.constantFrom(
    ...['', ' ', '{', '}', 'null', '"', '{"a":}', '{"a":1,}', 'undefined', '\ufeff{}', "{'a': 1}"],
    ...['{"__proto__": {"org": "x"}}', '{"constructor": {"prototype": {}}}', '1e999', '\u0000'],
    deep('[', 20_000, ']'),
    deep('[', 20_000),
    deep('{"a":', 8_000),
    `{"name": "${'x'.repeat(60_000)}"}`,
    `{"name": "${'x'.repeat(70_000)}"}`,
    `[${'{},'.repeat(10_000)}{}]`,
    'a=1&b=2',
    '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

/** How a valid value is spoiled: at one place, in one way. */
export interface Spoiling {
  /** counts the places of the value, and goes round */
  place: number;
  how: 'remove' | 'replace' | 'add' | 'wrap' | 'double';
  by: unknown;
}
export const spoilings: fc.Arbitrary<Spoiling> = fc.record({
  place: fc.nat(200),
  how: fc.constantFrom('remove', 'replace', 'replace', 'replace', 'add', 'wrap', 'double'),
  by: hostileValues,
});

type Place = { within: Record<string, unknown> | unknown[]; key: string | number };

function placesOf(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Object.keys(value)) {
    found.push({ within: value as Place['within'], key });
    placesOf((value as Record<string, unknown>)[key], found);
  }
  return found;
}

/** Nearly what the schema asks for. */
export function spoiled(valid: unknown, { place, how, by }: Spoiling): unknown {
  const value = structuredClone(valid);
  const places = placesOf(value);
  if (places.length === 0 || how === 'add') {
    return typeof value === 'object' && value !== null ? { ...value, unasked: by } : by;
  }
  const { within, key } = places[place % places.length]!;
  const fields = within as Record<string, unknown>;
  const old = fields[key];
  if (how === 'remove') delete fields[key];
  else if (how === 'wrap') fields[key] = [old];
  else if (how === 'double')
    fields[key] = typeof old === 'string' ? old + old : { old, again: old };
  else fields[key] = by;
  return value;
}
