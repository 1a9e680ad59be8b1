import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePeriod } from '../../../drizzle/queries/ensure-period.ts';
import { sessions } from '../../../drizzle/schema/sessions.ts';
import { dailyUsage, monthlyUsageCache } from '../../../drizzle/schema/usage.ts';
import { START, startTestHttp, type TestHttp } from '../test-http.ts';

const MINUTE_MS = 60_000;
let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60, concurrentSessions: 3 });
  await account('oslo', { timeZone: 'Europe/Oslo', anchorDay: 15 });
});
afterAll(() => http.stop());

const account = (org: string, more: object = {}) =>
  http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic', ...more });
const history = (org: string, query: string, as?: string) =>
  http.call('GET', `/v1/orgs/${org}/usage/history?${query}`, undefined, as ? { as } : {});

async function usedOn(org: string, user: string, day: string, minutes: number) {
  const planMs = minutes * MINUTE_MS;
  await http.db.insert(dailyUsage).values({ org, user, day, usedMs: planMs, planMs, minutes });
}

async function session(org: string, user: string, id: string, startedAt: number) {
  const period = (await ensurePeriod(http.db, org, startedAt))!.startsAt;
  await http.db.insert(sessions).values({
    ...{ org, id, user, startedAt, startMonth: '2026-03-01', generation: 0 },
    ...{ firstPeriod: period, lastPeriod: period },
  });
}

describe('the history by day', () => {
  beforeAll(async () => {
    await usedOn('oslo', 'ann', '2026-03-28', 10);
    await usedOn('oslo', 'bob', '2026-03-28', 5);
    await usedOn('oslo', 'ann', '2026-03-30', 7);
    // Midnight in Oslo is not midnight in London, and on the 29th the clocks change.
    await session('oslo', 'ann', 'late', Date.UTC(2026, 2, 28, 23, 30));
    await session('oslo', 'bob', 'early', Date.UTC(2026, 2, 28, 22, 30));
  });

  it('has every local day of the zone, those without use too, and the sums', async () => {
    const { status, body } = await history('oslo', 'by=day&from=2026-03-28&to=2026-03-30');
    expect(status).toBe(200);
    expect(body).toMatchObject({ by: 'day', timeZone: 'Europe/Oslo', from: '2026-03-28' });
    expect(
      body.items.map((it: { day: string; minutes: number; sessions: number }) => [
        ...[it.day, it.minutes, it.sessions],
      ]),
    ).toEqual([
      ['2026-03-28', 15, 1],
      ['2026-03-29', 0, 1],
      ['2026-03-30', 7, 0],
    ]);
    // The day on which clocks are put forward has 23 hours.
    const { startsAt, endsAt } = body.items[1];
    expect([startsAt, endsAt]).toEqual(['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z']);
    expect(body.total).toEqual({
      ...{ usedMs: 22 * MINUTE_MS, minutes: 22, hours: 22 / 60, sessions: 2 },
      bySource: { planMs: 22 * MINUTE_MS, extraMs: 0, overageMs: 0 },
    });
  });

  it('of a member has what that member used', async () => {
    const { body } = await history('oslo', 'from=2026-03-28&to=2026-03-30&user=bob');
    expect(body.total).toMatchObject({ minutes: 5, sessions: 1 });
  });

  it('without a range is of the last thirty days', async () => {
    const { body } = await history('oslo', '');
    expect(body.items).toHaveLength(30);
    expect(body.to).toBe(new Date(START).toISOString().slice(0, 10));
  });

  it('refuses a range that is turned round, too long, or none', async () => {
    for (const [query, words] of [
      ['from=2026-03-02&to=2026-03-01', /ends before it begins/],
      ['from=2020-03-02&to=2026-03-01', /2191 days, and 400 can be asked for/],
      ['from=2026-02-30', /must be a day/],
      ['by=year', /must be one of/],
    ] as const) {
      const { status, body } = await history('oslo', query);
      expect([query, status]).toEqual([query, 422]);
      expect(body.detail).toMatch(words);
    }
    expect((await history('nobody', '')).status).toBe(404);
  });

  it('shows a ticket its organization and itself, and no other member', async () => {
    const as = await http.ticket('oslo', 'ann');
    expect((await history('oslo', '', as)).status).toBe(200);
    expect((await history('oslo', 'user=ann', as)).status).toBe(200);
    expect((await history('oslo', 'user=bob', as)).status).toBe(403);
  });
});

describe('the history by month', () => {
  it('has every billing period that the range touches, also those that were never made', async () => {
    await account('quarter', { timeZone: 'Europe/Oslo', anchorDay: 15 });
    const period = (await ensurePeriod(http.db, 'quarter', Date.UTC(2026, 2, 20)))!;
    await http.db.insert(monthlyUsageCache).values({
      ...{ org: 'quarter', user: 'ann', period: period.startsAt },
      ...{ usedMs: 90, planMs: 60, extraMs: 20, overageMs: 10 },
    });
    await session('quarter', 'ann', 'one', Date.UTC(2026, 2, 20));
    const { body } = await history('quarter', 'by=month&from=2026-02-01&to=2026-04-20');
    expect(
      body.items.map((it: { startsAt: string; usedMs: number; sessions: number }) => [
        ...[it.startsAt, it.usedMs, it.sessions],
      ]),
    ).toEqual([
      ['2026-01-14T23:00:00.000Z', 0, 0],
      ['2026-02-14T23:00:00.000Z', 0, 0],
      ['2026-03-14T23:00:00.000Z', 90, 1],
      ['2026-04-14T22:00:00.000Z', 0, 0],
    ]);
    expect(body.total.bySource).toEqual({ planMs: 60, extraMs: 20, overageMs: 10 });
    const rows = await http.db.execute(sql`select from billing_periods where org = 'quarter'`);
    // Looking makes none.
    expect(rows).toHaveLength(1);
  });
});

describe('alerts', () => {
  beforeAll(async () => {
    await account('warned');
    await session('warned', 'ann', 'ann-1', START);
    await session('warned', 'bob', 'bob-1', START);
    const rows: [string, string, string | null, string | null, number, number][] = [
      ['o|warned|1', 'organization', null, null, 80, 1],
      ['o|warned|1', 'organization', null, null, 90, 2],
      ['o|warned|1', 'organization', null, null, -600_000, 2],
      ['m|warned|ann|1', 'member', 'ann', null, 80, 3],
      ['m|warned|bob|1', 'member', 'bob', null, 80, 4],
      ['s|warned|ann-1', 'session', null, 'ann-1', 80, 5],
      ['s|warned|bob-1', 'session', null, 'bob-1', 80, 6],
    ];
    for (const [budget, scope, user, id, level, seconds] of rows) {
      await http.db.execute(sql`insert into usage_alerts
        (org, budget, level, version, scope, user_id, session, crossed_at)
        values ('warned', ${budget}, ${level}, 7, ${scope}, ${user}, ${id},
          from_epoch_ms(${START + seconds * 1_000}))`);
    }
  });
  const alerts = (query = '', as?: string) =>
    http.call('GET', `/v1/orgs/warned/usage/alerts?${query}`, undefined, as ? { as } : {});

  it('of what a day costs say which day, and the ceiling', async () => {
    await http.call('PUT', '/v1/plans/dear', { name: 'Dear', dailyCostCents: 10 });
    await http.call('PUT', '/v1/orgs/dear', { name: 'Dear', plan: 'dear' });
    await http.call('POST', '/v1/orgs/dear/usage-events', { kind: 'tokens', costCents: 9 });
    const { status, body } = await http.call('GET', '/v1/orgs/dear/usage/alerts?scope=cost');
    const at = new Date(http.now());
    expect([status, body.items]).toEqual([
      200,
      [
        {
          ...{ at: at.toISOString(), scope: 'cost', threshold: { percent: 80 } },
          ...{ user: null, session: null, period: null },
          ...{ day: at.toISOString().slice(0, 10), ceilingCents: 10 },
        },
      ],
    ]);
  });

  it('are newest first, page by page, none twice where two were crossed at once', async () => {
    const found: { threshold: object; scope: string }[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await alerts(`limit=1${cursor && `&cursor=${cursor}`}`);
      found.push(...body.items);
      cursor = body.nextCursor;
    }
    expect(found).toHaveLength(7);
    expect(found.slice(-3).map(({ threshold }) => threshold)).toEqual([
      { percent: 90 },
      { remainingMs: 600_000, remainingMinutes: 10 },
      { percent: 80 },
    ]);
  });

  it('show a ticket its organization’s and its own, a session’s too', async () => {
    const { body } = await alerts('', await http.ticket('warned', 'ann'));
    expect(
      body.items.map(({ scope, user }: { scope: string; user: string }) => [scope, user]),
    ).toEqual([
      ['session', 'ann'],
      ['member', 'ann'],
      ['organization', null],
      ['organization', null],
      ['organization', null],
    ]);
    expect((await alerts('user=bob', await http.ticket('warned', 'ann'))).status).toBe(403);
    const ofBob = await alerts('user=bob&scope=session');
    expect(ofBob.body.items).toMatchObject([{ session: 'bob-1', user: 'bob' }]);
  });
});

describe('limits', () => {
  it('show that a member’s own limit of a feature opens nothing that the plan lacks', async () => {
    await http.call('PUT', '/v1/plans/lean', { name: 'Lean', features: { export: true } });
    await http.call('PUT', '/v1/orgs/lean', { name: 'Lean', plan: 'lean' });
    const features = { video: { limit: 7, per: 'day' }, export: { limit: 3, per: 'month' } };
    await http.call('PUT', '/v1/orgs/lean/members/ann', { features });
    const { body } = await http.call('GET', '/v1/orgs/lean/usage/limits?user=ann');
    type Row = Record<'feature' | 'from' | 'limit' | 'remaining' | 'inForce', unknown>;
    const rows = body.limits.filter((it: Row) => it.feature !== null);
    expect(
      rows.map((it: Row) => [it.feature, it.from, it.limit, it.remaining, it.inForce]),
    ).toEqual([
      ['export', 'plan', null, null, false],
      ['video', 'plan', 0, 0, true],
      ['export', 'member', 3, 3, true],
      ['video', 'member', 7, 7, true],
    ]);
  });

  it('name what holds, who set it, what is left, and what binds', async () => {
    await http.call('PUT', '/v1/plans/many', {
      ...{ name: 'Many', minutes: 600, maxSessionMinutes: 90, concurrentSessions: 5 },
      ...{ sessionsPerDay: 20, features: { analysis: { limit: 3, per: 'day' }, video: false } },
    });
    await http.call('PUT', '/v1/orgs/many', { name: 'Many', plan: 'many', minutes: 120 });
    await http.call('PUT', '/v1/orgs/many/members/ann', {
      ...{ minutes: 30, concurrentSessions: 1, sessionsPerDay: 4 },
      features: { analysis: { limit: 2, per: 'month' } },
    });
    for (const user of ['ann', 'bob']) {
      await http.call('POST', '/v1/orgs/many/consume', { user, feature: 'analysis' });
    }
    await http.call('POST', '/v1/orgs/many/adjustments', {
      ...{ minutes: 60, kind: 'extra', reason: 'A gift' },
    });
    await http.record('many', 'ann', 'many-1');
    await http.advance(20 * MINUTE_MS);
    await http.beat('many', 'many-1', 20 * MINUTE_MS);
    const { status, body } = await http.call('GET', '/v1/orgs/many/usage/limits?user=ann');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ enforcement: 'enforce', atLimit: 'stop', extraRemainingMs: 60 * MINUTE_MS },
      binding: { of: 'member', from: 'member', remainingMs: 10 * MINUTE_MS },
    });
    type Row = Record<'name' | 'of' | 'from' | 'limit' | 'used' | 'remaining' | 'inForce', unknown>;
    expect(
      body.limits.map((it: Row) => [
        ...[it.name, it.of, it.from, it.limit, it.used, it.remaining, it.inForce],
      ]),
    ).toEqual([
      ...[['recordingTime', 'organization', 'plan', 36_000_000, 1_200_000, 34_800_000, false]],
      ...[['recordingTime', 'organization', 'organization', 7_200_000, 1_200_000, 6_000_000, true]],
      ...[['recordingTime', 'member', 'member', 1_800_000, 1_200_000, 600_000, true]],
      ...[['sessionLength', 'session', 'plan', 5_400_000, null, null, true]],
      ...[['concurrentSessions', 'organization', 'plan', 5, 1, 4, true]],
      ...[['concurrentSessions', 'member', 'member', 1, 1, 0, true]],
      ...[['sessionsPerDay', 'organization', 'plan', 20, 0, 20, true]],
      ...[['sessionsPerDay', 'member', 'member', 4, 0, 4, true]],
      ...[['fileBytes', 'session', 'plan', null, null, null, false]],
      ...[['feature', 'organization', 'plan', 3, 2, 1, true]],
      ...[['feature', 'organization', 'plan', 0, 0, 0, true]],
      ...[['feature', 'member', 'member', 2, 1, 1, true]],
    ]);
    const { feature } = (
      await http.call('POST', '/v1/orgs/many/check', { user: 'ann', feature: 'analysis' })
    ).body;
    expect(feature).toMatchObject({ used: 1, limit: 2, remaining: 1, per: 'month' });
    expect(body.limits[2].hours).toEqual({ limit: 0.5, used: 1 / 3, remaining: 1 / 6 });
    const whole = await http.call('GET', '/v1/orgs/many/usage/limits');
    // Extra minutes count: 100 of the quota and 60 bought are more than a session may have.
    expect(whole.body.binding).toEqual({
      ...{ of: 'session', from: 'plan', remainingMs: 90 * MINUTE_MS },
    });
    const as = await http.ticket('many', 'bob');
    expect(
      (await http.call('GET', '/v1/orgs/many/usage/limits?user=ann', undefined, { as })).status,
    ).toBe(403);
  });

  it('say in shadow mode what would bind, and for overage without a cap that nothing does', async () => {
    await http.call('PUT', '/v1/plans/soft', { name: 'Soft', minutes: 10, enforcement: 'shadow' });
    await http.call('PUT', '/v1/orgs/soft', { name: 'Soft', plan: 'soft' });
    const limits = async () => (await http.call('GET', '/v1/orgs/soft/usage/limits')).body;
    expect(await limits()).toMatchObject({
      ...{ enforcement: 'shadow', binding: { of: 'organization', remainingMs: 600_000 } },
    });
    await http.call('PUT', '/v1/plans/soft', { name: 'Soft', minutes: 10, atLimit: 'overage' });
    expect((await limits()).binding).toBeNull();
  });
});
