/** The API document against the standard, by a validator of the field; and what it says of itself. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRate } from '../limits/rate.ts';
import type { ApiDocument, Operation } from './openapi-document.ts';
import { PROBLEM_CODES, PROBLEMS } from './problem-codes.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

const PROBLEM = 'application/problem+json';

let http: TestHttp;
let document: ApiDocument;
let ajv: Ajv2020;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/acme', { name: 'Acme' });
  await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'acme' });
  document = (await http.call('GET', '/openapi.json', undefined, { as: null })).body;
  ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'api');
});
afterAll(() => http?.stop());

interface Described {
  name: string;
  method: string;
  path: string;
  operation: Operation;
}
const operations = (): Described[] =>
  Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      ...{ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation },
    })),
  );
/** Calls of credentials, as they are below /v1. */
const calls = () => operations().filter(({ operation }) => operation.security?.length);

/** Every object in the document that has this field, with the way to it as a JSON pointer. */
function* findAll(value: unknown, field: string, at = ''): Generator<[string, object]> {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, field) && !at.endsWith('/properties')) yield [at, value];
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'example') continue;
    yield* findAll(inner, field, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  }
}

function errorsOf(pointer: string, value: unknown): string {
  const check = ajv.compile({ $ref: `api#${encodeURI(pointer)}` });
  return check(value) ? '' : ajv.errorsText(check.errors);
}

describe('the API document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document) as never);
    expect(result.errors ?? []).toEqual([]);
    expect([result.valid, validator.version]).toEqual([true, '3.1']);
  });

  it('would not be valid with a fault in it', async () => {
    const broken = structuredClone(document);
    delete Object.values(Object.values(broken.paths!)[0]!)[0]!.responses;
    broken.paths!['no-slash'] = { get: { parameters: [{ name: 'x', in: 'nowhere' }] } };
    expect((await new Validator().validate(broken as never)).valid).toBe(false);
  });

  it('has examples that fit their own schemas, and one for every body', () => {
    let tried = 0;
    for (const [at, holder] of findAll(document, 'example')) {
      const { example, schema } = holder as { example: unknown; schema?: unknown };
      const pointer = schema === undefined ? at : `${at}/schema`;
      expect(errorsOf(pointer, example), `${at}: ${JSON.stringify(example)}`).toBe('');
      tried += 1;
    }
    for (const [at, { default: value }] of findAll(document, 'default') as Generator<
      [string, { default: unknown }]
    >) {
      expect(errorsOf(at, value), `${at}: ${JSON.stringify(value)}`).toBe('');
    }
    expect(tried).toBeGreaterThan(200);
    for (const { name, operation } of operations()) {
      const bodies = [operation.requestBody, ...Object.values(operation.responses ?? {})];
      for (const [type, media] of bodies.flatMap((it) => Object.entries(it?.content ?? {}))) {
        if (/json/.test(type)) expect(media.example, `${name} ${type}`).toBeDefined();
      }
    }
  });

  it('has a problem with its codes for every error, each of that status', () => {
    for (const { name, operation } of operations()) {
      for (const [status, response] of Object.entries(operation.responses ?? {})) {
        if (status < '400' || name === 'GET /healthz') continue;
        const codes = JSON.stringify(response.content?.[PROBLEM]?.schema).match(
          /"enum":(\[[^\]]*\])/,
        );
        expect(codes, `${name} ${status}`).not.toBeNull();
        for (const code of JSON.parse(codes![1]!) as (keyof typeof PROBLEMS)[]) {
          expect(PROBLEM_CODES, `${name} ${status}`).toContain(code);
          const fits = String(PROBLEMS[code][0]) === status || status === '422';
          expect(fits, `${name} ${status} ${code}`).toBe(true);
        }
      }
    }
  });

  it('names each operation, and what a key needs for it', () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, operation } of operations()) {
      expect(operation.operationId, name).toMatch(/^[a-z]+[A-Za-z0-9]*$/);
    }
    for (const { name, operation } of calls()) {
      const [scope] = operation.security!.flatMap((one) => one.apiKey ?? []);
      expect(['read', 'write', 'sessions', 'adjust', 'keys'], name).toContain(scope);
    }
  });
});

describe('every call of the document', () => {
  it('that lists is paged by cursor, and refuses one that is not its own', async () => {
    let lists = 0;
    for (const { name, path, operation } of calls()) {
      const schema = operation.responses?.['200']?.content?.['application/json']?.schema;
      if (schema === undefined || !JSON.stringify(schema).includes('"items":{"type":"array"'))
        continue;
      lists += 1;
      const names = (operation.parameters ?? []).map((one) => one.name);
      expect(names, name).toEqual(expect.arrayContaining(['cursor', 'limit']));
      expect(schema.required, name).toEqual(expect.arrayContaining(['items', 'nextCursor']));
      const bad = `${filled(path)}?cursor=bm90IG9uZQ`;
      const answer = await http.call('GET', bad);
      expect([name, answer.status, answer.body.code]).toEqual([name, 422, 'invalid']);
    }
    expect(lists).toBeGreaterThan(4);
  });

  const filled = (path: string) => path.replace(/\{\w+\}/g, 'acme');

  it('that writes takes an Idempotency-Key, and says so', async () => {
    for (const { name, method, path, operation } of calls()) {
      if (method === 'GET' || /\/check$/.test(path)) continue;
      const names = (operation.parameters ?? []).map((one) => one.name);
      expect(names, name).toContain('Idempotency-Key');
      const good = Object.entries(operation.responses ?? {}).filter(([status]) => status < '300');
      for (const [, { headers }] of good) {
        expect(Object.keys(headers ?? {}), name).toContain('Idempotency-Replayed');
      }
      const headers = { 'idempotency-key': 'with blanks in it' };
      const answer = await http.call(method, filled(path), {}, { headers });
      expect([name, answer.status]).toEqual([name, 422]);
    }
  });

  it('that is sent something nested thousands deep says what is wrong with it', async () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    for (const { name, method, path, operation } of calls()) {
      if (operation.requestBody === undefined) continue;
      const answer = await http.call(method, filled(path), deep);
      expect([name, answer.status, answer.body.code]).toEqual([name, 422, 'invalid']);
    }
  });

  it.each([
    // Each was once answered 500, and found by the fuzzer.
    ['POST', '/v1/tickets', { org: 'acme', user: 'ann', origin: '' }],
    ['PUT', '/v1/plans/acme', { name: 'Acme', maxSessionMinutes: 5e-324 }],
  ])('refuses what it cannot keep: %s %s %j', async (method, path, body) => {
    const answer = await http.call(method, path, body);
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid']);
  });

  it('is held to its rate, and says what is left', async () => {
    const { meter: _, ...deps } = http.deps;
    const rate = createRate({
      ...{ perSecond: 1_000, burst: 2_000, monotonicMs: () => performance.now() },
      redisOf: () => {
        throw new Error('each by itself');
      },
      keys: { rate: (id) => id },
    });
    const call = http.with({ ...deps, rate });
    for (const { name, method, path } of calls()) {
      const answer = await call(method, filled(path), method === 'GET' ? undefined : {});
      const said = answer.headers.get('ratelimit');
      expect([name, said]).toEqual([name, expect.stringMatching(/^"credentials";r=\d+;t=\d+$/)]);
      expect(answer.headers.get('ratelimit-policy')).toMatch(/q=2000;w=2/);
    }
  });
});
