/**
 * What the OpenAPI document says of every operation alike, added to what its route says of itself: its
 * name, what a key needs for it, problems of any body, headers, an example. So a route that is added
 * has them too.
 */
import { exampleOf, type JsonSchema } from './openapi-example.ts';
import { PROBLEM_MEDIA_TYPE, problemWords } from './problem.ts';
import { PROBLEMS, type ProblemCode } from './problem-codes.ts';
import { scopeOf } from './scopes.ts';

interface MediaType {
  schema?: JsonSchema;
  example?: unknown;
}
interface Response {
  description: string;
  headers?: Record<string, { $ref: string }>;
  content?: Record<string, MediaType>;
}
export interface Operation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  description?: string;
  security?: Record<string, string[]>[] | undefined;
  parameters?: {
    name: string;
    in: string;
    required?: boolean;
    description?: string;
    schema?: JsonSchema;
  }[];
  requestBody?: { content?: Record<string, MediaType>; required?: boolean };
  responses?: Record<string, Response>;
}
export interface ApiDocument {
  info: { title: string; version: string; description?: string };
  tags?: { name: string; description?: string }[];
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, JsonSchema>; headers?: Record<string, object> };
}

const OF_BODIES = ['bodyTooLarge', 'mediaTypeUnsupported'] as const;
const text = { type: 'string' };
const HEADERS = {
  RateLimit: {
    description: 'What these credentials may ask still (draft-ietf-httpapi-ratelimit-headers).',
    schema: text,
    example: '"credentials";r=3999;t=1',
  },
  'RateLimit-Policy': {
    description: 'How often they may ask: a burst, and the seconds in which it is whole again.',
    schema: text,
    example: '"credentials";q=4000;w=2',
  },
  'Retry-After': { description: 'Seconds.', schema: text, example: '2' },
  'Idempotency-Replayed': {
    description: '`true`: the answer of an earlier request with this Idempotency-Key.',
    schema: text,
    example: 'true',
  },
};
type HeaderName = keyof typeof HEADERS;

/** `GET /v1/orgs/{org}/usage` is `getOrgUsage`: what generated clients call it. */
export function operationId(method: string, path: string): string {
  const parts = path.replace(/^\/v1/, '').split('/').filter(Boolean);
  const words = parts.flatMap((part, index) => {
    // `orgs/{org}` is one thing, `orgs` alone are many.
    if (part.startsWith('{')) return [];
    return parts[index + 1]?.startsWith('{') ? part.replace(/s$/, '') : part;
  });
  const name = words.join('-').replace(/-+([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return `${method}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

export function completeDocument(document: ApiDocument): void {
  const { components = {} } = document;
  document.components = components;
  components.headers = HEADERS;
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item)) {
      operation.operationId = operationId(method, path);
      // For bearer credentials the list names what they must be allowed to do.
      operation.security = operation.security?.map((one) =>
        'apiKey' in one ? { apiKey: [scopeOf(method, path, operation.tags?.[0])] } : one,
      );
      if (operation.requestBody !== undefined) addBodyProblems(operation);
      addHeaders(operation);
      addExamples(operation, components.schemas ?? {});
    }
  }
}

function addBodyProblems({ responses = {} }: Operation): void {
  for (const code of OF_BODIES) responses[PROBLEMS[code][0]] ??= problemResponse([code]);
}

function problemResponse(codes: ProblemCode[]): Response {
  const only = {
    type: 'object',
    properties: { code: { type: 'string', enum: codes } },
    required: ['code'],
  };
  const schema = { allOf: [{ $ref: '#/components/schemas/Problem' }, only] };
  return { description: problemWords(codes), content: { [PROBLEM_MEDIA_TYPE]: { schema } } };
}

function addHeaders(operation: Operation): void {
  const isLimited = (operation.security?.length ?? 0) > 0;
  const isRepeatable = operation.parameters?.some(({ name }) => name === 'Idempotency-Key');
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const names: HeaderName[] = [];
    if (isLimited && (status < '300' || status === '429')) {
      names.push('RateLimit', 'RateLimit-Policy');
    }
    if (['429', '503'].includes(status)) names.push('Retry-After');
    if (isRepeatable && status < '300') names.push('Idempotency-Replayed');
    if (names.length === 0) continue;
    const refs = names.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const);
    response.headers = { ...response.headers, ...Object.fromEntries(refs) };
  }
}

function addExamples(operation: Operation, schemas: Record<string, JsonSchema>): void {
  const bodies = [operation.requestBody, ...Object.values(operation.responses ?? {})];
  for (const media of bodies.flatMap((body) => Object.values(body?.content ?? {}))) {
    if (media.schema === undefined || media.example !== undefined) continue;
    const example = exampleOf(media.schema, schemas);
    if (example !== undefined) media.example = example;
  }
}
