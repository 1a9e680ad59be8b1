import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp } from './app.ts';
import { PROBLEM_CODES } from './problem-codes.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

const METHODS = ['get', 'put', 'post', 'delete'];
/** Pages and files, not calls. */
/** For anybody. */
const OPEN = ['/v1/connect', '/v1/receipt-keys', '/v1/webhooks/stripe'];
const NOT_CALLS = ['/', '/docs', '/openapi.json', '/client/*', '/core/protocol/*'];

interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  security?: Record<string, unknown>[];
  parameters?: { name: string; in: string; required?: boolean }[];
  requestBody?: { required: boolean; content: Record<string, unknown> };
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

const demo = { org: 'demo', user: 'demo', speed: 60, intervalMs: 1_000 };
let http: TestHttp;
let document: Document;
beforeAll(async () => {
  http = await startTestHttp({ demo });
  document = (await http.call('GET', '/openapi.json', undefined, { as: null })).body;
});
afterAll(() => http.stop());

function operations(): { path: string; method: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
}

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

describe('the API document', () => {
  it('is of OpenAPI 3.1, and has every route of the app in it and no other', () => {
    expect(document.openapi).toBe('3.1.0');
    const routes = createHttp(http.deps)
      .routes.filter(({ method }) => method !== 'ALL')
      .filter(({ path }) => !NOT_CALLS.includes(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    const described = operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(described.sort()).toEqual([...new Set(routes)].sort());
    expect(described.length).toBeGreaterThan(20);
  });

  it('has what the standard asks of an operation', () => {
    const tags = new Set(document.tags.map(({ name }) => name));
    for (const { path, method, operation } of operations()) {
      const where = `${method} ${path}`;
      expect(METHODS, where).toContain(method);
      expect(operation.summary, where).toBeTruthy();
      expect(operation.tags, where).toHaveLength(1);
      expect(tags.has(operation.tags[0]!), where).toBe(true);
      expect(Object.keys(operation.responses).length, where).toBeGreaterThan(0);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status, where).toMatch(/^[1-5]\d\d$/);
        expect(typeof response.description, where).toBe('string');
      }
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path');
      expect(declared.map(({ name }) => name).sort(), where).toEqual(inPath.sort());
      expect(
        declared.every(({ required }) => required),
        where,
      ).toBe(true);
      if (method === 'put') expect(operation.requestBody?.required, where).toBe(true);
    }
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('getOrgUsage');
    expect(ids).toContain('postOrgAdjustments');
  });

  it('refers to nothing that is not in it', () => {
    const refs = new Set(references(document));
    expect(refs.size).toBeGreaterThan(10);
    for (const ref of refs) {
      const at = ref.slice(2).split('/');
      const found = at.reduce<unknown>(
        (value, key) => (value as Record<string, unknown> | undefined)?.[key],
        document,
      );
      expect(found, ref).toBeTypeOf('object');
    }
    for (const { operation } of operations()) {
      for (const scheme of operation.security ?? []) {
        expect(Object.keys(document.components.securitySchemes)).toContain(Object.keys(scheme)[0]);
      }
    }
  });

  it('describes writes with their Idempotency-Key, and every route of /v1 with its problems', () => {
    for (const { path, method, operation } of operations()) {
      if (!path.startsWith('/v1/') || OPEN.includes(path)) continue;
      const where = `${method} ${path}`;
      expect(operation.security?.length, where).toBeGreaterThan(0);
      for (const status of ['401', '403', '422']) {
        const content = operation.responses[status]?.content ?? {};
        expect(Object.keys(content), where).toEqual(['application/problem+json']);
      }
      const hasKey = operation.parameters?.some(({ name }) => name === 'Idempotency-Key') ?? false;
      // A check writes nothing.
      expect(hasKey, where).toBe(method !== 'get' && !path.endsWith('/check'));
    }
  });

  it('has no demo in production', async () => {
    const production = http.with({ development: false });
    const { body } = await production('GET', '/openapi.json', undefined, { as: null });
    expect(Object.keys(body.paths).filter((path) => path.startsWith('/demo'))).toEqual([]);
    for (const path of ['/demo/config', '/demo/ticket', '/demo/extra-minutes']) {
      const method = path === '/demo/config' ? 'GET' : 'POST';
      expect((await production(method, path, method === 'GET' ? undefined : {})).status).toBe(404);
    }
  });
});

describe('the docs', () => {
  it('are a page with every call and every problem, which loads and runs nothing', async () => {
    const page = await http.call('GET', '/docs', undefined, { as: null });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    for (const { path } of operations()) expect(page.body).toContain(`>${path}<`);
    for (const code of PROBLEM_CODES) expect(page.body).toContain(`id="problem-${code}"`);
    expect(page.body).not.toMatch(/<script|src=|https?:\/\/(?!app\.example)/);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*sha256-/);
  });
});

describe('the demo', () => {
  const call = (method: string, path: string, body?: object, origin?: string) =>
    http.call(method, path, body, { as: null, headers: origin === undefined ? {} : { origin } });

  it('serves the recorder page without credentials', async () => {
    await http.call('PUT', '/v1/plans/demo', { name: 'Demo', minutes: 1 });
    await http.call('PUT', '/v1/orgs/demo', { name: 'Demo', plan: 'demo' });
    const url = 'ws://127.0.0.1:8787/v1/connect';
    expect((await call('GET', '/demo/config')).body).toEqual({ ...demo, url });
    const { status, body } = await call('POST', '/demo/ticket', { user: 'guest' });
    expect(status).toBe(201);
    expect(body.url).toBe(url);
    expect(await http.deps.tickets.verify(body.ticket)).toMatchObject({
      org: 'demo',
      user: 'guest',
    });
    expect((await call('POST', '/demo/extra-minutes', { minutes: 5 })).status).toBe(201);
    const usage = await http.call('GET', '/v1/orgs/demo/usage');
    expect(usage.body).toMatchObject({ remainingMs: 360_000, extraRemainingMs: 300_000 });
  });

  it('serves pages of other origins nothing', async () => {
    for (const [method, path] of [
      ['GET', '/demo/config'],
      ['POST', '/demo/ticket'],
      ['POST', '/demo/extra-minutes'],
    ] as const) {
      const body = method === 'GET' ? undefined : {};
      const answer = await call(method, path, body, 'https://evil.example');
      expect([path, answer.status]).toEqual([path, 403]);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
    expect((await call('GET', '/demo/config', undefined, 'http://localhost')).status).toBe(200);
  });
});
