import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { organizationBudget } from '../../core/meter/budget-name.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import { MAY, START, startTestHttp, type TestHttp } from './test-http.ts';

const MINUTE_MS = 60_000;
let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
});
afterAll(() => http.stop());

/** An organization with one settled session of ann's. */
async function settled(org: string, chargedMs: number) {
  await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
  await http.call('GET', `/v1/orgs/${org}/usage`);
  await http.db.insert(sessions).values({
    ...{ org, id: `${org}-1`, user: 'ann', startedAt: START, startMonth: '2026-05-01' },
    ...{ firstPeriod: MAY, lastPeriod: MAY, generation: 0, state: 'closed' as const },
    ...{ endedAt: START + chargedMs, recordedMs: chargedMs, settledMs: chargedMs },
  });
}

const give = (org: string, body: object, headers: Record<string, string> = {}) =>
  http.call(
    'POST',
    `/v1/orgs/${org}/adjustments`,
    { reason: 'The line broke', ...body },
    { headers },
  );

describe('minutes or hours', () => {
  it('are taken as in plans, one of the two', async () => {
    await http.call('PUT', '/v1/orgs/hours', { name: 'Hours', plan: 'basic' });
    const given = await give('hours', { kind: 'extra', hours: 1.5 });
    expect(given.status).toBe(201);
    expect(given.body).toMatchObject({ minutes: 90, ms: 90 * MINUTE_MS });
    const taken = await give('hours', { kind: 'plan', hours: -0.5 });
    expect(taken.body).toMatchObject({ ms: -30 * MINUTE_MS });
    const refused = async (body: object) => {
      const answer = await give('hours', { kind: 'extra', ...body });
      expect(answer.status).toBe(422);
      return answer.body.detail;
    };
    expect(await refused({})).toContain('needs minutes or hours');
    expect(await refused({ minutes: 60, hours: 1 })).toContain('minutes or hours, not both');
    expect((await give('hours', { kind: 'goodwill', hours: -1 })).status).toBe(422);
    expect((await give('hours', { kind: 'extra', hours: 1e-9 })).status).toBe(422);
    expect((await give('hours', { kind: 'extra', hours: 1e12 })).status).toBe(422);
  });
});

it('a lot given in the same instant as others is on one page of the balance, and on no other', async () => {
  await http.call('PUT', '/v1/orgs/same', { name: 'Same', plan: 'basic' });
  const made: string[] = [];
  for (let i = 0; i < 5; i += 1) {
    made.push((await give('same', { kind: 'extra', minutes: 1 })).body.adjustment);
  }
  const seen: string[] = [];
  let cursor: string | null = '';
  for (let page = 0; cursor !== null && page < 9; page += 1) {
    const path: string = `/v1/orgs/same/extra-minutes?limit=2${cursor && `&cursor=${cursor}`}`;
    const { body } = await http.call('GET', path);
    seen.push(...body.lots.map((lot: { purchase: string }) => lot.purchase));
    cursor = body.nextCursor;
  }
  expect(seen).toEqual(made.sort());
});

it('of a period come to no more than one may be, however often they are given', async () => {
  await http.call('PUT', '/v1/orgs/huge', { name: 'Huge', plan: 'basic' });
  const most = { kind: 'plan', minutes: 100_000_000 };
  expect((await give('huge', most)).status).toBe(201);
  const { status, body } = await give('huge', { kind: 'plan', minutes: 1 });
  expect([status, body.code]).toEqual([422, 'invalid']);
  expect(body.detail).toContain('100000001 minutes');
  expect((await give('huge', { kind: 'plan', minutes: -1 })).status).toBe(201);
  const { items } = (await http.call('GET', '/v1/orgs/huge/periods')).body;
  expect(items[0].adjustedMs).toBe((100_000_000 - 1) * MINUTE_MS);
});

describe('goodwill', () => {
  it('for a session is a lot of its own, names its member, and changes no minute', async () => {
    await settled('kind', 10 * MINUTE_MS);
    await http.record('kind', 'bob', 'kind-live');
    const before = await http.db.execute(sql`select * from sessions where org = 'kind'`);
    const { status, body } = await give('kind', {
      ...{ kind: 'goodwill', minutes: 4, session: 'kind-1' },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...{ kind: 'goodwill', session: 'kind-1', user: 'ann', ms: 4 * MINUTE_MS, unappliedMs: 0 },
      appliedAt: new Date(START).toISOString(),
    });
    const lots = await http.call('GET', '/v1/orgs/kind/extra-minutes');
    expect(lots.body).toMatchObject({
      remainingMs: 4 * MINUTE_MS,
      lots: [{ purchase: body.adjustment, grantedMs: 4 * MINUTE_MS }],
    });
    // The live meter has it before the answer is given.
    const live = await http.meter.readBudgets('kind', [organizationBudget('kind', MAY)]);
    expect(live).toMatchObject({ budgets: [{ extraRemainingMs: 4 * MINUTE_MS, burnRate: 1 }] });
    expect(await http.db.execute(sql`select * from sessions where org = 'kind'`)).toEqual(before);
  });

  it('for a session never comes to more than it was charged, asked for ten times at once', async () => {
    await settled('just', 10 * MINUTE_MS);
    const body = { kind: 'goodwill', minutes: 3, session: 'just-1' };
    const answers = await Promise.all(Array.from({ length: 10 }, () => give('just', body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      ...[201, 201, 201],
      ...Array.from({ length: 7 }, () => 422),
    ]);
    const refused = answers.find(({ status }) => status === 422)!.body;
    expect(refused.errors).toEqual([
      { pointer: '/minutes', detail: expect.stringContaining('is at most') },
    ]);
    const lots = await http.call('GET', '/v1/orgs/just/extra-minutes');
    expect(lots.body.remainingMs).toBe(9 * MINUTE_MS);
    // Without the session it is a gift, and those have no such bound.
    expect((await give('just', { kind: 'goodwill', minutes: 30 })).status).toBe(201);
  });

  it('once for an Idempotency-Key', async () => {
    await settled('once', 10 * MINUTE_MS);
    const body = { kind: 'goodwill', minutes: 6, session: 'once-1', user: 'ann' };
    const headers = { 'idempotency-key': 'goodwill-once' };
    const first = await give('once', body, headers);
    const again = await give('once', body, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const list = await http.call('GET', '/v1/orgs/once/adjustments');
    expect(list.body.items).toEqual([first.body]);
  });

  it('takes nothing, and is not for a session that is not there or another member’s', async () => {
    await settled('strict', MINUTE_MS);
    for (const [body, status] of [
      [{ kind: 'goodwill', minutes: -1 }, 422],
      [{ kind: 'extra', minutes: 1, session: 'strict-1' }, 422],
      [{ kind: 'goodwill', minutes: 1, session: 'nowhere' }, 404],
      [{ kind: 'goodwill', minutes: 1, session: 'strict-1', user: 'bob' }, 404],
      [{ kind: 'goodwill', minutes: 1, session: 'kind-1' }, 404],
    ] as const) {
      expect([body, (await give('strict', body)).status]).toEqual([body, status]);
    }
    expect((await http.call('GET', '/v1/orgs/strict/adjustments')).body.items).toEqual([]);
  });
});

describe('the list of adjustments', () => {
  it('is newest first, in pages, and only what was asked for', async () => {
    await settled('list', 60 * MINUTE_MS);
    const made: string[] = [];
    for (const body of [
      { kind: 'extra', minutes: 1, user: 'ann' },
      { kind: 'plan', minutes: 2 },
      { kind: 'goodwill', minutes: 3, session: 'list-1' },
      { kind: 'extra', minutes: -4 },
    ]) {
      made.unshift((await give('list', body)).body.adjustment);
      await http.advance(1_000);
    }
    const ids: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Awaited<ReturnType<TestHttp['call']>> = await http.call(
        'GET',
        `/v1/orgs/list/adjustments?limit=3${cursor && `&cursor=${cursor}`}`,
      );
      ids.push(...page.body.items.map((it: { adjustment: string }) => it.adjustment));
      cursor = page.body.nextCursor;
    }
    expect(ids).toEqual(made);
    for (const [query, minutes] of [
      ['kind=extra', [-4, 1]],
      ['user=ann', [3, 1]],
      ['session=list-1', [3]],
      ['kind=plan&user=ann', []],
    ] as const) {
      const { body } = await http.call('GET', `/v1/orgs/list/adjustments?${query}`);
      expect([query, body.items.map((it: { minutes: number }) => it.minutes)]).toEqual([
        query,
        minutes,
      ]);
    }
  });
});

describe('the audit log', () => {
  it('is filtered by who, what, whose and when, in pages', async () => {
    await settled('log', 60 * MINUTE_MS);
    await http.advance(1_000);
    const from = new Date(http.now()).toISOString();
    await give('log', { kind: 'extra', minutes: 1 });
    await http.call('PUT', '/v1/orgs/log/members/ann', {});
    const ask = async (query: string) => {
      const { status, body } = await http.call('GET', `/v1/orgs/log/audit?${query}`);
      return status === 200 ? body.items.map((it: { action: string }) => it.action) : status;
    };
    expect(await ask('action=adjustment')).toEqual(['adjustment']);
    expect(await ask('subject=ann')).toEqual(['member.put']);
    expect(await ask('actor=key:somebody')).toEqual([]);
    expect(await ask(`actor=key:dev-key&from=${from}`)).toEqual(['member.put', 'adjustment']);
    expect(await ask(`to=${from}`)).toEqual(['organization.put']);
    expect(await ask('from=yesterday')).toBe(422);
    expect(await ask('limit=1')).toEqual(['member.put']);
  });
});
