/**
 * Values of a JSON Schema, by its own words: what a client that reads the document would send. Ids are
 * wishes, which are fulfilled when the request is sent.
 */
import fc from 'fast-check';
import type { Api, Schema } from './document.ts';
import { isId, kindOf } from './kinds.ts';
import { wishes } from './wish.ts';

const MAX_ITEMS = 4;
const DEEPEST = 6;

export interface Taste {
  api: Api;
  /** of the call, which says what an `id` is an id of */
  path: string;
  /** how often a field that may be left out is there, in twelfths */
  optional: number;
}

export function valuesOf(taste: Taste, given: Schema, name = '', depth = 0): fc.Arbitrary<unknown> {
  const schema = taste.api.resolved(given);
  const inner = (part: Schema, of = name) => valuesOf(taste, part, of, depth + 1);
  if (depth > DEEPEST) return fc.constant(null);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((part) => inner(part)));
  if (schema.allOf !== undefined) {
    const parts = fc.tuple(...schema.allOf.map((part) => inner(part)));
    return parts.map((objects) => Object.assign({}, ...objects));
  }
  const any = anyTyped(taste, schema, name, inner);
  if (schema.example === undefined) return any;
  // What the document shows is more often there, as the name of a time zone, than what is made up.
  const weight = isId(schema, name) ? 12 : 2;
  return fc.oneof({ arbitrary: any, weight }, fc.constant(schema.example));
}

function anyTyped(taste: Taste, schema: Schema, name: string, inner: Inner) {
  const types = [schema.type ?? []].flat();
  if (types.length === 0) return schema.properties ? objects(taste, schema, inner) : fc.jsonValue();
  return fc.oneof(...types.map((type) => ofType(taste, type, schema, name, inner)));
}

type Inner = (part: Schema, name?: string) => fc.Arbitrary<unknown>;

function ofType(
  taste: Taste,
  type: string,
  schema: Schema,
  name: string,
  inner: Inner,
): fc.Arbitrary<unknown> {
  switch (type) {
    case 'object':
      return objects(taste, schema, inner);
    case 'array': {
      const { minItems = 0, maxItems = MAX_ITEMS } = schema;
      const maxLength = Math.max(minItems, Math.min(maxItems, MAX_ITEMS));
      return fc.array(inner(schema.items ?? {}), { minLength: minItems, maxLength });
    }
    case 'string': {
      const any = texts(schema);
      if (name === '') return any;
      const wished = wishes(kindOf(name, taste.path), any);
      const [weight, rest] = isId(schema, name) ? [12, 1] : [1, 4];
      return fc.oneof({ arbitrary: wished, weight }, { arbitrary: any, weight: rest });
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

const ABSENT = Symbol('absent');

function objects(taste: Taste, schema: Schema, inner: Inner): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {});
  const { additionalProperties: more, required = [] } = schema;
  if (typeof more === 'object' && properties.length === 0) {
    const keys = inner(schema.propertyNames ?? { type: 'string' }, '') as fc.Arbitrary<string>;
    return fc.dictionary(keys, inner(more, ''), { maxKeys: MAX_ITEMS });
  }
  const fields = properties.map(([name, part]) => {
    const value = inner(part, name);
    if (required.includes(name)) return value;
    return fc.oneof(
      { arbitrary: fc.constant(ABSENT), weight: 12 - taste.optional },
      { arbitrary: value, weight: taste.optional },
    );
  });
  return fc.tuple(...fields).map((values) => {
    const entries = properties.map(([name], i) => [name, values[i]] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== ABSENT));
  });
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
