import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { featureConsumptions, usageQuotas } from '../../../drizzle/schema/features.ts';
import { JUNE, startTestHttp, type TestHttp } from '../test-http.ts';

const DAY_MS = 24 * 3_600_000;
let http: TestHttp;
let org: string;
beforeAll(async () => {
  http = await startTestHttp();
});
beforeEach(() => {
  org = `org-${randomUUID()}`;
});
afterAll(() => http.stop());

/** A plan and an organization of its own, both of this name. */
async function account(plan: object, more: object = {}) {
  await http.call('PUT', `/v1/plans/${org}`, { name: org, ...plan });
  await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: org, ...more });
}
const use = (body: object = {}, key?: string, call = http.call) =>
  call(
    'POST',
    `/v1/orgs/${org}/consume`,
    { user: 'ann', feature: 'analysis', ...body },
    key === undefined ? {} : { headers: { 'idempotency-key': key } },
  );
const undo = (body: object) => http.call('POST', `/v1/orgs/${org}/consume/undo`, body);
const perDay = (limit: number) => ({ features: { analysis: { limit, per: 'day' } } });
const perMonth = (limit: number) => ({ features: { analysis: { limit, per: 'month' } } });
const rows = () => http.db.select().from(usageQuotas).where(eq(usageQuotas.org, org));
const consumptions = () =>
  http.db.select().from(featureConsumptions).where(eq(featureConsumptions.org, org));

describe('consume', () => {
  it('counts a piece and says what is left, and when it resets', async () => {
    await account(perDay(3));
    const { status, body } = await use();
    expect(status).toBe(200);
    expect(body).toEqual({
      consumption: expect.any(String),
      user: 'ann',
      feature: 'analysis',
      quantity: 1,
      used: 1,
      limit: 3,
      remaining: 2,
      resetsAt: '2026-05-21T00:00:00.000Z',
      per: 'day',
      scope: 'organization',
      binding: 'feature',
      allowed: true,
      reason: null,
    });
    expect((await use({ user: 'bob', quantity: 2 })).body).toMatchObject({ used: 3, remaining: 0 });
  });

  it('refuses with what is left, what would help and when it resets, and counts nothing', async () => {
    await account(perMonth(5));
    await use({ quantity: 4 });
    const { status, body } = await use({ quantity: 2 });
    expect(status).toBe(402);
    expect(body).toMatchObject({
      code: 'limitReached',
      binding: 'feature',
      scope: 'organization',
      per: 'month',
      used: 4,
      limit: 5,
      remaining: 1,
      resetsAt: new Date(JUNE).toISOString(),
      actions: [{ type: 'buyExtraMinutes' }, { type: 'wait', until: new Date(JUNE).toISOString() }],
    });
    expect(body.detail).toContain('4 of 5 pieces of "analysis"');
    expect((await use()).body).toMatchObject({ used: 5, remaining: 0 });
    expect((await use()).body.detail).toContain('one more was asked for');
    expect((await rows()).map(({ used }) => used)).toEqual([5, 5, 5, 5]);
    expect(await consumptions()).toHaveLength(2);
  });

  it('refuses more than the whole limit at once, on a day that has no row yet', async () => {
    await account(perDay(3));
    expect((await use({ quantity: 4 })).body).toMatchObject({ used: 0, remaining: 3 });
    expect(await rows()).toEqual([]);
  });

  it('answers features without a number, too', async () => {
    await account({ features: { analysis: true, video: false, none: { limit: 0, per: 'day' } } });
    expect((await use({ quantity: 7 })).body).toMatchObject({
      ...{ used: 7, limit: null, remaining: null, resetsAt: new Date(JUNE).toISOString() },
    });
    for (const feature of ['video', 'none', 'unheard-of', 'constructor']) {
      const { status, body } = await use({ feature });
      expect([feature, status, body.code]).toEqual([feature, 403, 'featureNotAllowed']);
      expect(body).toMatchObject({ binding: 'feature', scope: 'organization' });
      expect(body.actions).toHaveLength(1);
    }
  });

  it('refuses a suspended organization, an unknown one, and what is no quantity', async () => {
    await account(perDay(3), { suspended: true });
    expect((await use()).body.code).toBe('organizationSuspended');
    for (const quantity of [0, -1, 1.5, 1_000_001, '1']) {
      expect((await use({ quantity })).status).toBe(422);
    }
    org = 'nobody';
    expect((await use()).body.code).toBe('organizationUnknown');
  });
});

describe('a member with limits of its own', () => {
  const own = (features: object) =>
    http.call('PUT', `/v1/orgs/${org}/members/ann`, { features: { analysis: features } });

  it('is held by the most restrictive one, which is named', async () => {
    await account(perMonth(10));
    await own({ limit: 2, per: 'day' });
    expect((await use({ quantity: 2 })).body).toMatchObject({
      ...{ scope: 'member', per: 'day', used: 2, limit: 2, remaining: 0 },
    });
    const refused = await use();
    expect(refused.status).toBe(402);
    expect(refused.body).toMatchObject({ scope: 'member', per: 'day', used: 2, limit: 2 });
    expect(refused.body.actions[0]).toEqual({ type: 'askAdmin' });
    // What was refused by its own limit is not counted against the organization's.
    expect((await use({ user: 'bob', quantity: 8 })).body).toMatchObject({
      ...{ scope: 'organization', used: 10, remaining: 0 },
    });
    await http.advance(DAY_MS);
    expect((await use()).body).toMatchObject({ scope: 'organization', per: 'month', used: 10 });
  });

  it('is denied what is not for it, and is given nothing the plan lacks', async () => {
    await account({ features: { analysis: true, video: false } });
    await own(false as never);
    const { status, body } = await use();
    expect([status, body.code, body.scope]).toEqual([403, 'featureNotAllowed', 'member']);
    expect(body.actions).toEqual([{ type: 'askAdmin' }]);
    expect((await use({ user: 'bob' })).status).toBe(200);
    await http.call('PUT', `/v1/orgs/${org}/members/ann`, { features: { video: true } });
    expect((await use({ feature: 'video' })).body.scope).toBe('organization');
  });

  it('that comes in the middle of a month finds what was used before', async () => {
    await account(perMonth(10));
    await use({ quantity: 3 });
    await own({ limit: 4, per: 'month' });
    expect((await use()).body).toMatchObject({ scope: 'member', used: 4, remaining: 0 });
    expect((await use()).status).toBe(402);
  });
});

describe('a change of plan', () => {
  it('in the middle of a period brings its limit at once, up and down', async () => {
    await account(perMonth(2));
    await use({ quantity: 2 });
    expect((await use()).status).toBe(402);
    await http.call('PUT', `/v1/plans/${org}`, { name: org, ...perMonth(3) });
    expect((await use()).body).toMatchObject({ used: 3, remaining: 0 });
    await http.call('PUT', `/v1/plans/${org}`, { name: org, ...perMonth(1) });
    expect((await use()).body).toMatchObject({ used: 3, limit: 1, remaining: 0 });
    await http.call('PUT', `/v1/plans/${org}`, { name: org, ...perDay(5) });
    expect((await use()).body).toMatchObject({ per: 'day', used: 4, remaining: 1 });
    await http.call('PUT', `/v1/plans/${org}`, { name: org, features: { analysis: true } });
    expect((await use()).body).toMatchObject({ used: 5, limit: null });
  });
});

describe('shadow mode', () => {
  it('counts and records, refuses nothing, and says what would have been', async () => {
    await account({ ...perDay(2), enforcement: 'shadow' });
    expect((await use({ quantity: 2 })).body).toMatchObject({ allowed: true, reason: null });
    const past = await use();
    expect(past.status).toBe(200);
    expect(past.body).toMatchObject({
      ...{ allowed: true, reason: 'limitReached', used: 3, limit: 2, remaining: 0 },
    });
    expect((await use({ feature: 'video' })).body).toMatchObject({
      ...{ allowed: true, reason: 'featureNotAllowed', used: 1, limit: 0 },
    });
    expect((await consumptions()).map((row) => row.wouldRefuse).sort()).toEqual(
      ['featureNotAllowed', 'limitReached', null].sort(),
    );
    // Enforced from now on, what was counted in the shadow is there.
    await http.call('PUT', `/v1/plans/${org}`, { name: org, ...perDay(4) });
    expect((await use()).body).toMatchObject({ used: 4, remaining: 0 });
    expect((await use()).status).toBe(402);
  });
});

describe('a local day', () => {
  it('is that of the organization, and has 23 or 25 hours where clocks change', async () => {
    http = await at(Date.UTC(2026, 9, 24, 23));
    await account(perDay(1), { timeZone: 'Europe/Berlin' });
    // 01:00 of the 25th, on which the clocks go back.
    expect((await use()).body.resetsAt).toBe('2026-10-25T23:00:00.000Z');
    await http.advance(DAY_MS - 1);
    expect((await use()).status).toBe(402);
    await http.advance(1);
    expect((await use()).body).toMatchObject({ used: 1, resetsAt: '2026-10-26T23:00:00.000Z' });
    await http.advance(Date.UTC(2027, 2, 28, 21, 59, 59, 999) - http.now());
    expect((await use()).body.resetsAt).toBe('2027-03-28T22:00:00.000Z');
    await http.advance(1);
    expect((await use()).body.resetsAt).toBe('2027-03-29T22:00:00.000Z');
  });

  it('a month is the billing period, from its anchor day in its zone', async () => {
    await account(perMonth(1), { timeZone: 'America/New_York', anchorDay: 31 });
    const { resetsAt } = (await use()).body;
    await http.advance(Date.parse(resetsAt) - 1 - http.now());
    expect((await use()).body).toMatchObject({ code: 'limitReached', resetsAt });
    await http.advance(1);
    expect((await use()).body).toMatchObject({ used: 1, remaining: 0 });
    const [usage] = [await http.call('GET', `/v1/orgs/${org}/usage`)];
    expect((await use()).body.resetsAt).toBe(usage!.body.period.endsAt);
  });
});

/** The same product, later. */
async function at(instant: number): Promise<TestHttp> {
  await http.advance(instant - http.now());
  return http;
}

describe('an Idempotency-Key', () => {
  it('counts once, answers the same, and is 409 for another body', async () => {
    await account(perDay(5));
    const first = await use({}, 'job-1');
    const second = await use({}, 'job-1');
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect((await use({ quantity: 2 }, 'job-1')).body.code).toBe('idempotencyKeyReused');
    expect((await use()).body.used).toBe(2);
  });

  it('lets a crowd of duplicates wait, and a refusal leaves it free', async () => {
    await account(perDay(1));
    const answers = await Promise.all(Array.from({ length: 20 }, () => use({}, 'job')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.consumption)).size).toBe(1);
    expect((await use({}, 'next')).status).toBe(402);
    await http.advance(DAY_MS);
    expect((await use({}, 'next')).status).toBe(200);
  });
});

describe('undo', () => {
  it('gives the pieces back, once, by the id', async () => {
    await account(perDay(2));
    const { consumption } = (await use({ quantity: 2 })).body;
    const answers = await Promise.all(Array.from({ length: 8 }, () => undo({ consumption })));
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).toEqual(answers[0]!.body);
    }
    expect(answers[0]!.body).toMatchObject({ consumption, quantity: 2, feature: 'analysis' });
    expect((await rows()).map(({ used }) => used)).toEqual([0, 0, 0, 0]);
    expect((await use()).body).toMatchObject({ used: 1, remaining: 1 });
  });

  it('by the key of the job, which then counts anew when the job is tried again', async () => {
    await account(perDay(1));
    const first = await use({}, 'job-9');
    expect((await undo({ idempotencyKey: 'job-9' })).body.consumption).toBe(first.body.consumption);
    const again = await use({}, 'job-9');
    expect(again.headers.get('idempotency-replayed')).toBeNull();
    expect(again.body).toMatchObject({ used: 1, remaining: 0 });
    expect(again.body.consumption).not.toBe(first.body.consumption);
    const replayed = await use({}, 'job-9');
    expect(replayed.body).toEqual(again.body);
    await undo({ idempotencyKey: 'job-9' });
    expect((await undo({ idempotencyKey: 'job-9' })).body.consumption).toBe(again.body.consumption);
    expect((await rows()).map(({ used }) => used)).toEqual([0, 0, 0, 0]);
  });

  it('gives back to the day it was taken from', async () => {
    await account(perDay(2));
    const { consumption } = (await use()).body;
    await http.advance(DAY_MS);
    await use();
    expect((await undo({ consumption })).status).toBe(200);
    expect((await use()).body).toMatchObject({ used: 2, remaining: 0 });
  });

  it('of what is not there, or was another caller’s key, is 404', async () => {
    await account(perDay(2));
    await use({}, 'mine');
    expect((await undo({ consumption: randomUUID() })).body.code).toBe('consumptionUnknown');
    const as = await http.makeKey([org]);
    const path = `/v1/orgs/${org}/consume/undo`;
    const answer = await http.call('POST', path, { idempotencyKey: 'mine' }, { as });
    expect([answer.status, answer.body.code]).toEqual([404, 'consumptionUnknown']);
    for (const wrong of [{}, { idempotencyKey: 'a\0b' }, { consumption: 'x' }]) {
      expect((await undo(wrong)).status).toBe(422);
    }
    expect((await use()).body.used).toBe(2);
  });
});
