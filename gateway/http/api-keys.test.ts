import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY_SCOPE_NAMES, hashApiKey } from '../../core/runtime/api-key.ts';
import { LAST_USED_EVERY_MS } from '../../drizzle/queries/api-keys.ts';
import { type Answer, startTestHttp, type TestHttp } from './test-http.ts';

const HOUR_MS = 3_600_000;

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  for (const org of ['acme', 'other']) {
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
  }
});
afterAll(() => http?.stop());

const make = (body: object, as?: string, headers: Record<string, string> = {}) =>
  http.call('POST', '/v1/api-keys', body, { headers, ...(as === undefined ? {} : { as }) });
const made = async (body: object, as?: string): Promise<Answer['body']> => {
  const answer = await make(body, as);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
};
const ask = async (as: string, path = '/v1/orgs/acme'): Promise<number> =>
  (await http.call('GET', path, undefined, { as })).status;
const later = (ms: number) => new Date(http.now() + ms).toISOString();

describe('a key', () => {
  it('is shown with its secret once, and kept by its hash alone', async () => {
    const { secret, ...key } = await made({ name: 'Backend', orgs: ['acme'], scopes: ['read'] });
    expect(secret).toMatch(/^tmk_[\w-]{43}$/);
    expect(key).toMatchObject({ orgs: ['acme'], scopes: ['read'], expiresAt: null });
    expect(await ask(secret)).toBe(200);
    expect(await ask(secret, '/v1/orgs/other')).toBe(403);
    const one = await http.call('GET', `/v1/api-keys/${key.id}`);
    expect(one.body).toEqual({ ...key, lastUsedAt: one.body.lastUsedAt });
    const list = await http.call('GET', '/v1/api-keys');
    expect(list.body.items.map(({ id }: { id: string }) => id)).toContain(key.id);
    expect(JSON.stringify(list.body)).not.toContain(secret);
    const rows = await http.db.execute(
      sql`select to_jsonb(k)::text || (select coalesce(jsonb_agg(i), '[]')::text from idempotency_keys i)
          as row from api_keys k where id = ${key.id}`,
    );
    expect(rows[0]!.row).toContain(hashApiKey(secret));
    expect(rows[0]!.row).not.toContain(secret);
  });

  it('does what its scopes say, on every route, and nothing else', async () => {
    const document = (await http.call('GET', '/openapi.json', undefined, { as: null })).body;
    const calls = Object.entries<Record<string, { security?: Record<string, string[]>[] }>>(
      document.paths,
    ).flatMap(([path, item]) =>
      Object.entries(item).flatMap(([method, { security = [] }]) => {
        const [scope] = security.flatMap((one) => one.apiKey ?? []);
        return scope === undefined ? [] : [{ method: method.toUpperCase(), path, scope }];
      }),
    );
    expect(new Set(calls.map(({ scope }) => scope))).toEqual(new Set(API_KEY_SCOPE_NAMES));
    for (const only of API_KEY_SCOPE_NAMES) {
      const { secret } = await made({ name: only, scopes: [only] });
      for (const { method, path, scope } of calls) {
        const filled = path.replace('{org}', 'nobody').replace(/\{\w+\}/g, 'nothing');
        const body = method === 'GET' ? undefined : {};
        const answer = await http.call(method, filled, body, { as: secret });
        const where = `${method} ${path} with ${only}: ${JSON.stringify(answer.body)}`;
        expect(answer.status === 403 && /with the scope/.test(answer.body.detail), where).toBe(
          scope !== only,
        );
      }
      await http.call('DELETE', `/v1/api-keys/${(await ownId(secret)) ?? ''}`);
    }
  });

  it('of the scope "sessions" mints tickets and counts, and sets nothing up', async () => {
    const { secret: as } = await made({ name: 'Recorder', scopes: ['sessions'] });
    const status = async (method: string, path: string, body: object) =>
      (await http.call(method, path, body, { as })).status;
    expect(await status('POST', '/v1/tickets', { org: 'acme', user: 'ann' })).toBe(201);
    expect(await status('POST', '/v1/orgs/acme/usage-events', { kind: 'tokens' })).toBe(201);
    const undo = { idempotencyKey: 'none' };
    expect(await status('POST', '/v1/orgs/acme/consume/undo', undo)).toBe(404);
    expect(await status('PUT', '/v1/orgs/acme/members/ann', {})).toBe(403);
  });

  async function ownId(secret: string): Promise<string | undefined> {
    const [row] = await http.db.execute<{ id: string }>(
      sql`select id from api_keys where key_hash = ${hashApiKey(secret)}`,
    );
    return row?.id;
  }

  it('makes none that may more than itself', async () => {
    const { secret } = await made({
      ...{ name: 'Reseller', orgs: ['acme', 'other'], scopes: ['keys', 'read'] },
      expiresAt: later(HOUR_MS),
    });
    for (const beyond of [
      { orgs: null },
      { orgs: ['acme', 'third'] },
      { scopes: null },
      { scopes: ['read', 'adjust'] },
      { expiresAt: null },
      { expiresAt: later(HOUR_MS + 1_000) },
    ]) {
      const answer = await make({ name: 'more', ...beyond }, secret);
      expect([beyond, answer.status]).toEqual([beyond, 403]);
    }
    const child = await made({ name: 'Less', orgs: ['acme'], scopes: ['read'] }, secret);
    expect(child.expiresAt).toBe(later(HOUR_MS));
    const alike = await made({ name: 'Alike' }, secret);
    expect(alike).toMatchObject({ orgs: ['acme', 'other'], scopes: ['keys', 'read'] });
    const reader = await make({ name: 'x' }, child.secret);
    expect(reader.status).toBe(403);
    const ticket = await make({ name: 'x' }, await http.ticket('acme', 'ann'));
    expect(ticket.status).toBe(403);
  });

  it('neither rotates nor revokes nor sees what may more than itself', async () => {
    const small = await made({ name: 'Small', orgs: ['acme'], scopes: ['keys'] });
    const wide = await made({ name: 'Wide', orgs: ['acme'], scopes: ['keys', 'adjust'] });
    const all = await made({ name: 'All' });
    const path = (id: string, more = '') => `/v1/api-keys/${id}${more}`;
    const as = small.secret;
    for (const [id, status] of [
      [wide.id, 403],
      [all.id, 404],
    ]) {
      expect((await http.call('POST', path(id, '/rotate'), {}, { as })).status).toBe(status);
      expect((await http.call('DELETE', path(id), undefined, { as })).status).toBe(status);
    }
    expect(await ask(all.secret)).toBe(200);
    const own = await http.call('POST', path(small.id, '/rotate'), {}, { as });
    expect(own.status).toBe(201);
  });

  it('that was revoked opens nothing from the next call on, at every gateway', async () => {
    const { id, secret } = await made({ name: 'Gone' });
    const elsewhere = http.with({});
    expect(await ask(secret)).toBe(200);
    const revoked = await http.call('DELETE', `/v1/api-keys/${id}`);
    expect([revoked.status, revoked.body.revokedAt]).toEqual([200, later(0)]);
    expect(await ask(secret)).toBe(401);
    expect((await elsewhere('GET', '/v1/orgs', undefined, { as: secret })).status).toBe(401);
    expect((await http.call('DELETE', `/v1/api-keys/${id}`)).status).toBe(200);
    expect((await http.call('POST', `/v1/api-keys/${id}/rotate`, {})).status).toBe(404);
  });

  it('is not made where it would have ended already', async () => {
    const { status, body } = await make({ name: 'Late', expiresAt: later(0) });
    expect([status, body.code, body.errors[0].pointer]).toEqual([422, 'invalid', '/expiresAt']);
    const { items } = (await http.call('GET', '/v1/api-keys')).body;
    expect(items.map((key: { name: string }) => key.name)).not.toContain('Late');
  });

  it('that has expired opens nothing', async () => {
    const { secret } = await made({ name: 'Short', expiresAt: later(1_000) });
    expect(await ask(secret)).toBe(200);
    await http.advance(1_000);
    expect(await ask(secret)).toBe(401);
  });

  it('keeps its old secret for the overlap that was given, and no longer', async () => {
    const { id, secret } = await made({ name: 'Turning' });
    const rotate = async (body: object) =>
      (await http.call('POST', `/v1/api-keys/${id}/rotate`, body)).body;
    const second = await rotate({ overlapSeconds: 60 });
    expect(second).toMatchObject({ id, previousUntil: later(60_000) });
    expect(await Promise.all([ask(secret), ask(second.secret)])).toEqual([200, 200]);
    await http.advance(60_000);
    expect(await Promise.all([ask(secret), ask(second.secret)])).toEqual([401, 200]);
    const third = await rotate({ overlapSeconds: 0 });
    expect(await Promise.all([ask(second.secret), ask(third.secret)])).toEqual([401, 200]);
  });

  it('is the same again for the same Idempotency-Key, as long as its secret holds', async () => {
    const headers = { 'idempotency-key': 'make-one' };
    const body = { name: 'Once' };
    const [first, again] = [
      await make(body, undefined, headers),
      await make(body, undefined, headers),
    ];
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await ask(first.body.secret)).toBe(200);
    await http.call('POST', `/v1/api-keys/${first.body.id}/rotate`, { overlapSeconds: 0 });
    const late = await make(body, undefined, headers);
    expect([late.status, late.body.code]).toEqual([409, 'idempotencyKeyReused']);
  });

  it('says when it was used, to ten minutes, with one write for many calls', async () => {
    const { id, secret } = await made({ name: 'Used' });
    const used = async () => (await http.call('GET', `/v1/api-keys/${id}`)).body.lastUsedAt;
    expect(await used()).toBeNull();
    const at = later(0);
    await Promise.all(Array.from({ length: 20 }, () => ask(secret)));
    await expect.poll(used).toBe(at);
    await http.advance(LAST_USED_EVERY_MS - 1);
    await ask(secret);
    expect(await used()).toBe(at);
    await http.advance(1);
    await ask(secret);
    await expect.poll(used).toBe(later(0));
  });

  it('leaves word in the audit log, whoever changed it', async () => {
    const { id, secret } = await made({ name: 'Seen', orgs: ['acme'], scopes: ['keys'] });
    await http.call('POST', `/v1/api-keys/${id}/rotate`, {}, { as: secret });
    await http.call('DELETE', `/v1/api-keys/${id}`);
    const { body } = await http.call('GET', '/v1/orgs/acme/audit?limit=200');
    const mine = body.items.filter((entry: { subject: string }) => entry.subject === id);
    expect(mine).toMatchObject([
      { action: 'key.revoke', actor: 'key:dev-key' },
      { action: 'key.rotate', actor: `key:${id}` },
      { action: 'key.make', actor: 'key:dev-key', detail: { name: 'Seen', scopes: ['keys'] } },
    ]);
    expect(JSON.stringify(mine)).not.toContain('tmk_');
  });
});

describe("a gateway's login", () => {
  it.each([
    ['reads what keys are known by', 'select key_hash from api_keys'],
    ['reads what they were known by', 'select previous_hash from api_keys'],
    ['makes a key by itself', "insert into api_keys (id, name, key_hash) values ('x', 'x', 'x')"],
    ['brings a key back', 'update api_keys set revoked_at = null'],
    ['deletes one', 'delete from api_keys'],
    ['asks as a key that it does not know', 'select api_key_asking(null, now())'],
  ])('never %s', async (_what, statement) => {
    await expect(http.deps.db.all.execute(sql.raw(statement))).rejects.toMatchObject({
      cause: { message: expect.stringMatching(/permission denied/) },
    });
  });

  it.each([
    "make_api_key('%', 'x', 'x', repeat('a', 64), null, '{read}', null, now())",
    "rotate_api_key('%', '$', repeat('a', 64), now(), now())",
    "revoke_api_key('%', '$', now())",
  ])('changes nothing without a key that may: %s', async (call) => {
    const { id, secret } = await made({ name: 'Reader', scopes: ['read'] });
    for (const hash of [hashApiKey(secret), 'f'.repeat(64)]) {
      const statement = sql.raw(`select ${call.replace('%', hash).replace('$', id)}`);
      await expect(http.deps.db.all.execute(statement)).rejects.toMatchObject({
        cause: { code: 'TMK01' },
      });
    }
  });
});
