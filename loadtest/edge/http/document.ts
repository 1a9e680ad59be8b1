/** The OpenAPI document as a fuzzer reads it: what can be called, and what may be answered. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** As much of JSON Schema as is read here. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  enum?: unknown[];
  const?: unknown;
  example?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  propertyNames?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}
export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}
interface Media {
  schema?: Schema;
}
interface Operation {
  operationId: string;
  security?: object[];
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}
export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Call {
  id: string;
  method: string;
  path: string;
  needsCredentials: boolean;
  parameters: readonly Parameter[];
  body: Schema | null;
  /** By status and media type, where in the document the schema of an answer stands; null: none. */
  answers: Readonly<Record<string, Readonly<Record<string, string | null>>>>;
}

export interface Api {
  calls: readonly Call[];
  resolved(schema: Schema): Schema;
  /** Why a value does not fit the schema at this place; null: it does. */
  misfit(pointer: string, value: unknown): string | null;
}

const step = (name: string) => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));

export function readApi(document: Document): Api {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema(document, 'api');
  const { schemas } = document.components;
  return {
    calls: Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => callOf(method, path, operation)),
    ),
    resolved: (schema) =>
      schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1)!] ?? {}),
    misfit(pointer, value) {
      // By its name it is compiled once.
      const check = ajv.getSchema(`api#${pointer}`);
      if (check === undefined) throw new Error(`The document has nothing at ${pointer}.`);
      return check(value) ? null : ajv.errorsText(check.errors);
    },
  };
}

function callOf(method: string, path: string, operation: Operation): Call {
  const at = `/paths/${step(path)}/${method}/responses`;
  const answers = Object.entries(operation.responses).map(([status, { content = {} }]) => [
    status,
    Object.fromEntries(
      Object.entries(content).map(([type, { schema }]) => [
        type,
        schema === undefined ? null : `${at}/${status}/content/${step(type)}/schema`,
      ]),
    ),
  ]);
  return {
    id: operation.operationId,
    method: method.toUpperCase(),
    path,
    needsCredentials: (operation.security?.length ?? 0) > 0,
    parameters: operation.parameters ?? [],
    body: operation.requestBody?.content['application/json']?.schema ?? null,
    answers: Object.fromEntries(answers),
  };
}
