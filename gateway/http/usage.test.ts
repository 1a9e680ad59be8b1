import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { organizationBudget } from '../../core/meter/budget-name.ts';
import type { BudgetRow } from '../../core/meter/rows.ts';
import { JUNE, MAY, startTestHttp, type TestHttp } from './test-http.ts';

const MINUTE_MS = 60_000;
let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
});
afterAll(() => http.stop());

/** A plan and an organization of its own, both of this name. */
async function account(name: string, plan: object = { minutes: 60 }, org: object = {}) {
  await http.call('PUT', `/v1/plans/${name}`, { name, ...plan });
  await http.call('PUT', `/v1/orgs/${name}`, { name, plan: name, ...org });
}

async function liveRow(org: string): Promise<BudgetRow | undefined> {
  const reply = await http.meter.readBudgets(org, [organizationBudget(org, MAY)]);
  return reply.status === 'ok' ? reply.budgets[0] : undefined;
}

describe('usage', () => {
  it('before anybody has recorded is read from the ledger', async () => {
    await account('quiet', { minutes: 60 });
    const { status, body } = await http.call('GET', '/v1/orgs/quiet/usage');
    expect(status).toBe(200);
    expect(body).toEqual({
      binding: 'organization',
      sessionMs: 0,
      usedMs: 0,
      limitMs: 60 * MINUTE_MS,
      remainingMs: 60 * MINUTE_MS,
      percent: 0,
      source: 'plan',
      extraRemainingMs: 0,
      burnRate: 0,
      endsAt: null,
      periodEndsAt: new Date(JUNE).toISOString(),
      at: new Date(http.now()).toISOString(),
      period: { startsAt: new Date(MAY).toISOString(), endsAt: new Date(JUNE).toISOString() },
      bySource: { planMs: 0, extraMs: 0, overageMs: 0 },
      sessions: 0,
      hours: { used: 0, limit: 1, remaining: 1 },
      forecast: { endsAt: null, confidence: 0, method: 'none', periodUsedMs: 0, dayMs: 0 },
      overdue: null,
    });
    expect(await liveRow('quiet')).toBeUndefined();
  });

  it('of an unlimited organization says so with null', async () => {
    await account('free', { minutes: -1 });
    const { body } = await http.call('GET', '/v1/orgs/free/usage');
    expect(body).toMatchObject({ limitMs: null, remainingMs: null, percent: 0 });
  });

  it('counts what a recorder was just charged, and foresees the end', async () => {
    await account('live', { minutes: 60 });
    await http.record('live', 'ann', 'live-1');
    await http.record('live', 'bob', 'live-2');
    await http.advance(10 * MINUTE_MS);
    await http.beat('live', 'live-1', 10 * MINUTE_MS);
    await http.beat('live', 'live-2', 10 * MINUTE_MS);
    const { body } = await http.call('GET', '/v1/orgs/live/usage');
    // 40 minutes are left, and two of them go by every minute.
    const endsAt = new Date(http.now() + 20 * MINUTE_MS).toISOString();
    expect(body).toMatchObject({
      usedMs: 20 * MINUTE_MS,
      remainingMs: 40 * MINUTE_MS,
      burnRate: 2,
      endsAt,
      bySource: { planMs: 20 * MINUTE_MS, extraMs: 0, overageMs: 0 },
      forecast: { endsAt, method: 'burnRate' },
    });
    expect(body.percent).toBeCloseTo(33.33, 1);
    expect(body.forecast.confidence).toBeGreaterThan(0.9);
    const member = await http.call('GET', '/v1/orgs/live/usage?user=ann');
    expect(member.body).toMatchObject({
      binding: 'member',
      usedMs: 10 * MINUTE_MS,
      limitMs: null,
      burnRate: 1,
    });
  });

  it('of an unknown organization is 404', async () => {
    const { status, body } = await http.call('GET', '/v1/orgs/nobody/usage');
    expect([status, body.code]).toEqual([404, 'organizationUnknown']);
  });

  it('is unknown, not zero, while the meter is being rebuilt', async () => {
    await account('lost');
    const call = http.with({
      meter: { ...http.meter, readBudgets: async () => ({ status: 'recover' }) },
    });
    const { status, headers, body } = await call('GET', '/v1/orgs/lost/usage');
    expect([status, body.code]).toEqual([503, 'meterUnavailable']);
    expect(headers.get('retry-after')).not.toBeNull();
    expect(http.recoveries).toContain('lost');
  });
});

describe('a change of limits reaches the live meter at once:', () => {
  it('an upgrade of the plan', async () => {
    await account('upgrade', { minutes: 30 });
    await http.record('upgrade', 'ann', 'upgrade-1');
    await http.call('PUT', '/v1/plans/upgrade', { name: 'Upgrade', minutes: 90 });
    expect(await liveRow('upgrade')).toMatchObject({ quotaMs: 90 * MINUTE_MS, burnRate: 1 });
  });

  it('another plan, and a lifted limit of its own', async () => {
    await account('big', { minutes: 600 });
    await account('small', { minutes: 60 }, { minutes: 10 });
    await http.record('small', 'ann', 'small-1');
    expect(await liveRow('small')).toMatchObject({ quotaMs: 10 * MINUTE_MS });
    await http.call('PUT', '/v1/orgs/small', { name: 'Small', plan: 'small' });
    expect(await liveRow('small')).toMatchObject({ quotaMs: 60 * MINUTE_MS });
    await http.call('PUT', '/v1/orgs/small', { name: 'Small', plan: 'big' });
    expect(await liveRow('small')).toMatchObject({ quotaMs: 600 * MINUTE_MS });
  });

  it('a member’s own limit, which then is the one that ends the session', async () => {
    await account('members', { minutes: 60 });
    await http.record('members', 'ann', 'members-1');
    await http.call('PUT', '/v1/orgs/members/members/ann', { minutes: 5 });
    const { body } = await http.call('GET', '/v1/orgs/members/usage?user=ann');
    expect(body).toMatchObject({ binding: 'member', limitMs: 5 * MINUTE_MS });
    const check = await http.call('POST', '/v1/orgs/members/check', { user: 'ann' });
    expect(check.body).toMatchObject({ allowed: true, binding: 'member' });
  });

  it('a suspension, and its end', async () => {
    await account('suspended');
    await http.record('suspended', 'ann', 'suspended-1');
    const put = (suspended: boolean) =>
      http.call('PUT', '/v1/orgs/suspended', { name: 'S', plan: 'suspended', suspended });
    await put(true);
    expect(await liveRow('suspended')).toMatchObject({ stopReason: 'organizationSuspended' });
    await put(false);
    expect(await liveRow('suspended')).toMatchObject({ stopReason: '' });
  });

  it('extra minutes that were given', async () => {
    await account('gift', { minutes: 1 });
    await http.record('gift', 'ann', 'gift-1');
    const given = { minutes: 2.5, kind: 'extra', user: 'ann', reason: 'Sorry for the outage' };
    const made = await http.call('POST', '/v1/orgs/gift/adjustments', given);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ ...given, ms: 150_000, actor: 'key:dev-key' });
    expect(made.body.appliedAt).toBe(new Date(http.now()).toISOString());
    expect(await liveRow('gift')).toMatchObject({ extraRemainingMs: 150_000 });
    const balance = await http.call('GET', '/v1/orgs/gift/extra-minutes');
    expect(balance.body).toEqual({
      remainingMs: 150_000,
      debtMs: 0,
      overdue: null,
      lots: [
        {
          purchase: made.body.adjustment,
          state: 'serving',
          grantedMs: 150_000,
          usedMs: 0,
          reversedMs: 0,
          debtMs: 0,
          purchasedAt: new Date(http.now()).toISOString(),
          expiresAt: null,
        },
      ],
      nextCursor: null,
    });
    // Drawn on beyond the plan's one minute, and told so before anything is settled.
    await http.advance(2 * MINUTE_MS);
    await http.beat('gift', 'gift-1', 2 * MINUTE_MS);
    const { body } = await http.call('GET', '/v1/orgs/gift/extra-minutes');
    expect(body.remainingMs).toBe(90_000);
    const usage = await http.call('GET', '/v1/orgs/gift/usage');
    expect(usage.body).toMatchObject({ source: 'extra', bySource: { extraMs: MINUTE_MS } });
  });

  it('a quota that was raised by hand for this period', async () => {
    await account('raised', { minutes: 10 });
    await http.record('raised', 'ann', 'raised-1');
    const body = { minutes: 5, kind: 'plan', reason: 'A good customer' };
    expect((await http.call('POST', '/v1/orgs/raised/adjustments', body)).status).toBe(201);
    expect(await liveRow('raised')).toMatchObject({ quotaMs: 15 * MINUTE_MS });
  });
});

describe('an adjustment', () => {
  it('that takes away waits until what is open is settled', async () => {
    await account('taken', { minutes: 10 });
    const body = { minutes: -3, kind: 'extra', reason: 'Given by mistake' };
    const { status, body: made } = await http.call('POST', '/v1/orgs/taken/adjustments', body);
    expect(status).toBe(201);
    expect(made).toMatchObject({ minutes: -3, ms: -180_000, appliedAt: null });
  });

  it('needs minutes, a kind and a reason, and an organization that exists', async () => {
    const put = (org: string, body: object) =>
      http.call('POST', `/v1/orgs/${org}/adjustments`, body);
    for (const body of [
      { minutes: 0, kind: 'extra', reason: 'x' },
      { minutes: 1, kind: 'extra', reason: ' ' },
      { minutes: 1, kind: 'gift', reason: 'x' },
      { minutes: 1, kind: 'plan', reason: 'x', user: 'ann' },
    ]) {
      const { status } = await put('taken', body);
      expect([body, status]).toEqual([body, 422]);
    }
    const { status } = await put('nobody', { minutes: 1, kind: 'extra', reason: 'x' });
    expect(status).toBe(404);
  });
});

describe('a check', () => {
  const ask = (org: string, body: object) => http.call('POST', `/v1/orgs/${org}/check`, body);

  it('allows what fits, and says which limit binds', async () => {
    await account('check', { minutes: 10, features: { export: true, video: false } });
    const { status, body } = await ask('check', { user: 'ann', plannedMs: 10 * MINUTE_MS });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      allowed: true,
      reason: null,
      binding: 'organization',
      reading: { remainingMs: 10 * MINUTE_MS, at: new Date(http.now()).toISOString() },
      actions: [],
    });
  });

  it('refuses with the reason, the limit and what would help', async () => {
    await account('check', {
      minutes: 10,
      maxSessionMinutes: 8,
      maxFileBytes: 1_000,
      features: { export: true, video: false, analysis: { limit: 3, per: 'day' } },
    });
    const cases: [object, string | null, string][] = [
      [{ plannedMs: 11 * MINUTE_MS }, 'plannedTooLong', 'organization'],
      [{ plannedMs: 9 * MINUTE_MS }, 'plannedTooLong', 'session'],
      [{ bytes: 1_001 }, 'fileTooLarge', 'plan'],
      [{ feature: 'video' }, 'featureNotAllowed', 'feature'],
      [{ feature: 'constructor' }, 'featureNotAllowed', 'feature'],
      [{ feature: 'export' }, null, 'organization'],
      [{ feature: 'analysis' }, null, 'organization'],
    ];
    for (const [more, reason, binding] of cases) {
      const { status, body } = await ask('check', { user: 'ann', ...more });
      const allowed = reason === null;
      expect([more, status, body.allowed, body.reason]).toEqual([more, 200, allowed, reason]);
      expect([more, body.binding]).toEqual([more, binding]);
      expect(body.actions.length).toBe(allowed ? 0 : 1);
    }
  });

  it('refuses when nothing is left, for the organization or for the member', async () => {
    await account('empty', { minutes: 0 });
    expect((await ask('empty', { user: 'ann' })).body).toMatchObject({
      allowed: false,
      reason: 'limitReached',
      binding: 'organization',
      reading: { percent: 100, remainingMs: 0 },
    });
    await account('own', { minutes: 10 });
    await http.call('PUT', '/v1/orgs/own/members/ann', { minutes: 0 });
    expect((await ask('own', { user: 'ann' })).body).toMatchObject({
      allowed: false,
      binding: 'member',
      actions: [{ type: 'askAdmin' }],
    });
    expect((await ask('own', { user: 'bob' })).body.allowed).toBe(true);
  });

  it('says until when to wait where the next period has room, and not where it has none', async () => {
    await account('waits', { minutes: 10 });
    await http.call('PUT', '/v1/orgs/waits/members/ann', { minutes: 1 });
    const started = { user: 'ann', session: 'file', minutesOf: 'file' };
    await http.call('POST', '/v1/orgs/waits/sessions', started);
    const used = { session: 'file', totalMs: 2 * MINUTE_MS };
    const wait = { type: 'wait', until: new Date(JUNE).toISOString() };
    const stopped = (await http.call('POST', '/v1/orgs/waits/minutes', used)).body;
    expect(stopped).toMatchObject({ stop: true, actions: [{ type: 'askAdmin' }, wait] });
    expect((await ask('waits', { user: 'ann' })).body).toMatchObject({
      ...{ reason: 'limitReached', binding: 'member', actions: [{ type: 'askAdmin' }, wait] },
    });
    const start = await http.call('POST', '/v1/orgs/waits/sessions', { user: 'ann' });
    expect([start.status, start.body.actions]).toEqual([402, [{ type: 'askAdmin' }, wait]]);
    // Nine minutes are left: ten fit into the next period, eleven into none.
    for (const [minutes, last] of [
      ...([[10, wait]] as const),
      ...([[11, { type: 'buyExtraMinutes' }]] as const),
    ]) {
      const asked = { user: 'bob', plannedMs: minutes * MINUTE_MS };
      const { reason, actions } = (await ask('waits', asked)).body;
      expect([minutes, reason, actions.at(-1)]).toEqual([minutes, 'plannedTooLong', last]);
    }
  });

  it('refuses the session too many, for the organization or for the member', async () => {
    await account('crowd', { concurrentSessions: 2 });
    await http.call('PUT', '/v1/orgs/crowd/members/ann', { concurrentSessions: 1 });
    await http.record('crowd', 'ann', 'crowd-1');
    expect((await ask('crowd', { user: 'ann' })).body.reason).toBe('concurrencyLimit');
    expect((await ask('crowd', { user: 'bob' })).body.allowed).toBe(true);
    await http.record('crowd', 'bob', 'crowd-2');
    expect((await ask('crowd', { user: 'bob' })).body).toMatchObject({
      allowed: false,
      binding: 'concurrency',
    });
  });

  it('refuses a suspended organization, and blocks nothing else in shadow mode', async () => {
    await account('shadow', { minutes: 0, maxFileBytes: 1, enforcement: 'shadow' });
    expect((await ask('shadow', { user: 'ann', bytes: 2 })).body).toMatchObject({
      allowed: true,
      reason: 'fileTooLarge',
    });
    await http.call('PUT', '/v1/orgs/shadow', { name: 'S', plan: 'shadow', suspended: true });
    expect((await ask('shadow', { user: 'ann' })).body).toMatchObject({
      allowed: false,
      reason: 'organizationSuspended',
    });
  });
});

describe('packages', () => {
  it('are those on sale, small to large', async () => {
    const { body } = await http.call('GET', '/v1/extra-minutes/packages');
    expect(body.items[0]).toEqual({
      package: 'minutes-60',
      name: '60 minutes',
      grantedMs: 3_600_000,
      priceCents: 999,
      currency: 'usd',
      prices: [{ currency: 'usd', priceCents: 999 }],
      expiresAfterDays: null,
      active: true,
    });
    expect(body.items).toHaveLength(4);
  });
});
