/** An example of a JSON Schema, from the examples of its parts: what a reader of the document sees. */

/** As much of JSON Schema as zod generates. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  example?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  additionalProperties?: JsonSchema | boolean;
  propertyNames?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
}

const DEEPEST = 8;
const INSTANT = '2026-03-01T09:30:00.000Z';

/** The schema that a reference names, or the schema itself. */
export function resolved(schema: JsonSchema, schemas: Record<string, JsonSchema>): JsonSchema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : (schemas[name] ?? {});
}

/** Undefined where nothing can be said. */
export function exampleOf(
  given: JsonSchema,
  schemas: Record<string, JsonSchema>,
  depth = 0,
): unknown {
  if (depth > DEEPEST) return undefined;
  const schema = resolved(given, schemas);
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum !== undefined) return schema.enum[0];
  const inner = (part: JsonSchema) => exampleOf(part, schemas, depth + 1);
  if (schema.allOf !== undefined) return merged(schema.allOf.map(inner));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return inner(choices.find(({ type }) => type !== 'null') ?? {});
  const type = [schema.type ?? []].flat().find((one) => one !== 'null');
  switch (type) {
    case 'object':
      return objectOf(schema, inner);
    case 'array': {
      const item = schema.items === undefined ? undefined : inner(schema.items);
      return item === undefined ? [] : [item];
    }
    case 'string':
      return BY_FORMAT[schema.format ?? ''] ?? textOf(schema);
    case 'integer':
    case 'number':
      return Math.min(Math.max(1, schema.minimum ?? 1), schema.maximum ?? 1);
    case 'boolean':
      return false;
    case undefined:
      return schema.properties === undefined ? undefined : objectOf(schema, inner);
    default:
      return null;
  }
}

const BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': INSTANT,
  date: INSTANT.slice(0, 10),
  uuid: '0191d3f6-7b1c-7e2a-9c53-2f8d1b7a4e60',
};

const textOf = ({ minLength = 0 }: JsonSchema) => 'text'.padEnd(minLength, '.');

/** What is needed, and what has an example of its own. */
function objectOf(schema: JsonSchema, inner: (part: JsonSchema) => unknown): object {
  const required = new Set(schema.required);
  const entries = Object.entries(schema.properties ?? {}).filter(
    ([name, part]) => required.has(name) || part.example !== undefined,
  );
  return Object.fromEntries(entries.map(([name, part]) => [name, inner(part)]));
}

/** Of several that must all hold: the later one is the narrower one. */
function merged(parts: unknown[]): unknown {
  const objects = parts.filter((part) => typeof part === 'object' && part !== null);
  return objects.length === 0 ? parts[0] : Object.assign({}, ...objects);
}
