/** Values of a JSON Schema, by its own words: what a client that reads the document would send. */
import fc from 'fast-check';
import type { Api, Schema } from './document.ts';

/** Ids that answers named, by the name they had: most of what is asked for should be there. */
export type Known = ReadonlyMap<string, readonly string[]>;

const MAX_ITEMS = 4;
const DEEPEST = 6;

export function valuesOf(
  api: Api,
  known: Known,
  given: Schema,
  name = '',
  depth = 0,
): fc.Arbitrary<unknown> {
  const schema = api.resolved(given);
  const inner = (part: Schema, of = name) => valuesOf(api, known, part, of, depth + 1);
  if (depth > DEEPEST) return fc.constant(null);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((part) => inner(part)));
  if (schema.allOf !== undefined) {
    const parts = fc.tuple(...schema.allOf.map((part) => inner(part)));
    return parts.map((objects) => Object.assign({}, ...objects));
  }
  const any = anyTyped(known, schema, name, inner);
  if (schema.example === undefined) return any;
  // What the document shows is more often there, as the name of a time zone, than what is made up.
  return fc.oneof({ arbitrary: any, weight: 2 }, fc.constant(schema.example));
}

function anyTyped(known: Known, schema: Schema, name: string, inner: Inner): fc.Arbitrary<unknown> {
  const types = [schema.type ?? []].flat();
  if (types.length === 0) return schema.properties ? objects(schema, inner) : fc.jsonValue();
  return fc.oneof(...types.map((type) => ofType(type, schema, inner, known.get(name) ?? [])));
}

type Inner = (part: Schema, name?: string) => fc.Arbitrary<unknown>;

function ofType(
  type: string,
  schema: Schema,
  inner: Inner,
  known: readonly string[],
): fc.Arbitrary<unknown> {
  switch (type) {
    case 'object':
      return objects(schema, inner);
    case 'array': {
      const { minItems = 0, maxItems = MAX_ITEMS } = schema;
      const maxLength = Math.max(minItems, Math.min(maxItems, MAX_ITEMS));
      return fc.array(inner(schema.items ?? {}), { minLength: minItems, maxLength });
    }
    case 'string': {
      const any = texts(schema);
      if (known.length === 0) return any;
      return fc.oneof(
        { arbitrary: fc.constantFrom(...known), weight: 4 },
        { arbitrary: any, weight: 1 },
      );
    }
    case 'integer':
      return integers(schema);
    case 'number':
      return fc.oneof(integers(schema), doubles(schema));
    case 'boolean':
      return fc.boolean();
    default:
      return fc.constant(null);
  }
}

function objects(schema: Schema, inner: Inner): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {});
  const fields = Object.fromEntries(properties.map(([name, part]) => [name, inner(part, name)]));
  const own = fc.record(fields, { requiredKeys: (schema.required ?? []) as never[] });
  const { additionalProperties: more } = schema;
  if (typeof more !== 'object' || properties.length > 0) return own;
  const keys = inner(schema.propertyNames ?? { type: 'string' }, 'key') as fc.Arbitrary<string>;
  return fc.dictionary(keys, inner(more, ''), { maxKeys: MAX_ITEMS });
}

function texts({ format, pattern, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  if (format === 'date-time') {
    const instants = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) });
    return instants.map((date) => date.toISOString());
  }
  if (format === 'date') {
    const days = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) });
    return days.map((date) => date.toISOString().slice(0, 10));
  }
  if (format === 'email') return fc.emailAddress();
  if (format === 'uri') return fc.webUrl();
  if (format === 'uuid') return fc.uuid();
  return fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 40) });
}

function integers({
  minimum,
  maximum,
  exclusiveMinimum,
  exclusiveMaximum,
}: Schema): fc.Arbitrary<number> {
  const least = Math.ceil(minimum ?? (exclusiveMinimum ?? Number.MIN_SAFE_INTEGER - 1) + 1);
  const most = Math.floor(maximum ?? (exclusiveMaximum ?? Number.MAX_SAFE_INTEGER + 1) - 1);
  const min = Math.max(least, Number.MIN_SAFE_INTEGER);
  const max = Math.max(min, Math.min(most, Number.MAX_SAFE_INTEGER));
  const small = fc.integer({ min, max: Math.min(max, Math.max(min, 0) + 100) });
  // Both ends are where faults are.
  return fc.oneof(small, fc.maxSafeInteger().map(between(min, max)), fc.constantFrom(min, max));
}

const between = (min: number, max: number) => (value: number) =>
  Math.min(max, Math.max(min, value));

function doubles({ minimum, maximum, exclusiveMinimum }: Schema): fc.Arbitrary<number> {
  const min = minimum ?? exclusiveMinimum ?? -1e9;
  return fc.double({
    ...{ min, max: Math.max(min, maximum ?? 1e9), noNaN: true, noDefaultInfinity: true },
    minExcluded: minimum === undefined && exclusiveMinimum !== undefined,
  });
}
