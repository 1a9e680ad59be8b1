import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { adjustments, extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { idempotencyKeys } from '../../drizzle/schema/operations.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

const GIFT = { minutes: 10, kind: 'extra', reason: 'A gift' };

let http: TestHttp;
let org: string;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
});
beforeEach(async () => {
  org = `org-${randomUUID()}`;
  await http.call('PUT', `/v1/orgs/${org}`, { name: 'Acme', plan: 'basic' });
});
afterAll(() => http.stop());

const give = (key: string, body: object | string = GIFT, as?: string) =>
  http.call('POST', `/v1/orgs/${org}/adjustments`, body, {
    headers: { 'idempotency-key': key },
    ...(as === undefined ? {} : { as }),
  });
const entries = () => http.db.select().from(adjustments).where(eq(adjustments.org, org));

describe('an Idempotency-Key', () => {
  it('gives the same answer again, and does nothing again', async () => {
    const first = await give('k1');
    const second = await give('k1');
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await entries()).toHaveLength(1);
    const lots = await http.db
      .select()
      .from(extraMinutesPurchases)
      .where(eq(extraMinutesPurchases.org, org));
    expect(lots).toHaveLength(1);
  });

  it('lets a crowd of duplicates wait for the first and share its answer', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => give('crowd')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.adjustment)).size).toBe(1);
    const replayed = answers.filter(
      ({ headers }) => headers.get('idempotency-replayed') === 'true',
    );
    expect(replayed).toHaveLength(19);
    expect(await entries()).toHaveLength(1);
  });

  it('with another body, or for another route, is 409', async () => {
    await give('k2');
    const answer = await give('k2', { ...GIFT, minutes: 11 });
    expect([answer.status, answer.body.code]).toEqual([409, 'idempotencyKeyReused']);
    const elsewhere = await http.call('PUT', `/v1/orgs/${org}/members/ann`, GIFT, {
      headers: { 'idempotency-key': 'k2' },
    });
    expect(elsewhere.status).toBe(422);
    const other = await http.call(
      'PUT',
      `/v1/orgs/${org}/members/ann`,
      {},
      {
        headers: { 'idempotency-key': 'k2' },
      },
    );
    expect(other.status).toBe(409);
  });

  it('takes the same body in another order and with other blanks for the same', async () => {
    const first = await give('k3');
    const second = await give('k3', '{ "reason": "A gift",  "kind":"extra", "minutes": 10.0 }');
    expect(second.body).toEqual(first.body);
    expect(await entries()).toHaveLength(1);
  });

  it('is of one caller: another one’s is another key', async () => {
    const first = await give('shared');
    const second = await give('shared', GIFT, await http.makeKey(null));
    expect(second.status).toBe(201);
    expect(second.body.adjustment).not.toBe(first.body.adjustment);
  });

  it('is free again after an error, which had no effect', async () => {
    const missing = `org-${randomUUID()}`;
    const path = `/v1/orgs/${missing}/adjustments`;
    const headers = { 'idempotency-key': 'later' };
    expect((await http.call('POST', path, GIFT, { headers })).status).toBe(404);
    await http.call('PUT', `/v1/orgs/${missing}`, { name: 'New', plan: 'basic' });
    expect((await http.call('POST', path, GIFT, { headers })).status).toBe(201);
  });

  it('is free again when the request failed half-way', async () => {
    let failures = 1;
    const call = http.with({
      meterNow: () => {
        if (failures > 0) {
          failures -= 1;
          throw new Error('The process died here.');
        }
        return http.now();
      },
    });
    const post = () =>
      call('POST', `/v1/orgs/${org}/adjustments`, GIFT, { headers: { 'idempotency-key': 'half' } });
    expect((await post()).status).toBe(500);
    expect(await entries()).toHaveLength(0);
    expect((await post()).status).toBe(201);
    expect(await entries()).toHaveLength(1);
  });

  it('that is no key is 422', async () => {
    for (const key of ['with blank', 'x'.repeat(256)]) {
      expect((await give(key)).status).toBe(422);
    }
  });

  it('works for what is replaced by PUT: made once, and shown as made', async () => {
    const put = () =>
      http.call(
        'PUT',
        '/v1/plans/once',
        { name: 'Once' },
        { headers: { 'idempotency-key': 'put' } },
      );
    const first = await put();
    await http.call('PUT', '/v1/plans/once', { name: 'Twice' });
    const again = await put();
    expect([again.status, again.body]).toEqual([first.status, first.body]);
    // A late repetition does not undo what came after it.
    expect((await http.call('GET', '/v1/plans/once')).body.name).toBe('Twice');
  });
});

describe('a ticket', () => {
  const mint = (body: object, headers: Record<string, string> = {}) =>
    http.call('POST', '/v1/tickets', body, { headers });

  it('is minted for a member, who is made on the fly', async () => {
    const { status, body } = await mint({ org, user: 'new', session: 's-1', ttlSeconds: 90 });
    expect(status).toBe(201);
    expect(body).toEqual({
      ticket: expect.any(String),
      expiresAt: new Date(http.now() + 90_000).toISOString(),
      url: 'ws://127.0.0.1:8787/v1/connect',
    });
    expect(await http.deps.tickets.verify(body.ticket)).toMatchObject({
      org,
      user: 'new',
      session: 's-1',
      trustCaptured: false,
    });
    expect((await http.call('GET', `/v1/orgs/${org}/members/new`)).status).toBe(200);
  });

  it('is not minted for an organization that is not there, nor for what is no id', async () => {
    const unknown = await mint({ org: 'nobody', user: 'ann' });
    expect([unknown.status, unknown.body.code]).toEqual([404, 'organizationUnknown']);
    for (const body of [
      { org, user: 'ann|bob' },
      { org, user: '' },
      { org },
      { org, user: 'ann', ttlSeconds: 3_601 },
      { org, user: 'ann', scopes: ['admin'] },
      { org, user: 'ann', origin: 'https://app.example/path' },
    ]) {
      expect([body, (await mint(body)).status]).toEqual([body, 422]);
    }
  });

  it('is the same under the same key, is not stored, and is new once it has expired', async () => {
    const headers = { 'idempotency-key': `ticket-${org}` };
    const first = await mint({ org, user: 'ann' }, headers);
    const second = await mint({ org, user: 'ann' }, headers);
    expect(second.body).toEqual(first.body);
    const stored = await http.db
      .select()
      .from(idempotencyKeys)
      .where(eq(idempotencyKeys.key, headers['idempotency-key']));
    expect(stored).toHaveLength(1);
    expect(JSON.stringify(stored)).not.toContain(first.body.ticket);
    await http.advance(61_000);
    const third = await mint({ org, user: 'ann' }, headers);
    expect(third.status).toBe(201);
    expect(third.body.ticket).not.toBe(first.body.ticket);
    expect(await http.deps.tickets.verify(third.body.ticket)).not.toHaveProperty('error');
  });
});
