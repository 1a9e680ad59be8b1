import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTextCipher } from '../../../core/runtime/text-cipher.ts';
import { connect } from '../../../drizzle/client.ts';
import { rekeyMetadata } from '../../../drizzle/queries/rekey-metadata.ts';
import { usageAlerts } from '../../../drizzle/schema/usage.ts';
import { dailyCosts, usageEvents } from '../../../drizzle/schema/usage-events.ts';
import { START, startTestHttp, type TestHttp } from '../test-http.ts';

const HOUR_MS = 3_600_000;
let http: TestHttp;
let org: string;
beforeAll(async () => {
  http = await startTestHttp();
});
beforeEach(() => {
  org = `org-${randomUUID()}`;
});
afterAll(() => http.stop());

async function account(plan: object = {}, more: object = {}) {
  await http.call('PUT', `/v1/plans/${org}`, { name: org, ...plan });
  await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: org, ...more });
}
const path = () => `/v1/orgs/${org}/usage-events`;
const post = (body: object, call = http.call) => call('POST', path(), body);
const spend = (costCents: number, more: object = {}) => post({ kind: 'model', costCents, ...more });
const list = async (query = '') => (await http.call('GET', `${path()}${query}`)).body;
const summary = async (query = '') => (await http.call('GET', `${path()}/summary${query}`)).body;
const alerts = () =>
  http.db
    .select()
    .from(usageAlerts)
    .where(and(eq(usageAlerts.org, org), eq(usageAlerts.scope, 'cost')));

describe('a usage event', () => {
  it('is recorded, listed, and counted in its day', async () => {
    await account({ dailyCostCents: 1_000 });
    const metadata = { model: 'large', job: '7' };
    const event = { id: 'call-1', kind: 'tokens', quantity: 1_200, costCents: 3.25, user: 'ann' };
    const { status, body } = await post({ ...event, metadata });
    expect(status).toBe(201);
    expect(body).toEqual({
      recorded: 1,
      duplicates: 0,
      events: [{ event: 'call-1', status: 'recorded' }],
      allowed: true,
      reason: null,
      cost: {
        day: '2026-05-20',
        usedCents: 3.25,
        limitCents: 1_000,
        remainingCents: 996.75,
        percent: 0.33,
        resetsAt: '2026-05-21T00:00:00.000Z',
      },
      alerts: [],
    });
    const { id, ...rest } = event;
    expect(await list()).toEqual({
      items: [
        {
          ...{ event: id, ...rest, day: '2026-05-20', metadata },
          ...{ occurredAt: new Date(START).toISOString() },
          ...{ recordedAt: new Date(START).toISOString() },
        },
      ],
      nextCursor: null,
    });
  });

  it('of the same id counts once; with other content nothing is recorded', async () => {
    await account();
    const event = {
      id: 'e',
      kind: 'tokens',
      quantity: 5,
      costCents: 2,
      metadata: { a: '1', b: '2' },
    };
    await post(event);
    await http.advance(1_000);
    const again = await post({ ...event, metadata: { b: '2', a: '1' } });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ recorded: 0, duplicates: 1, cost: { usedCents: 2 } });
    for (const other of [{ costCents: 3 }, { quantity: 6 }, { kind: 'bytes' }, { user: 'ann' }]) {
      const answer = await post({
        events: [
          { kind: 'x', costCents: 9 },
          { ...event, ...other },
        ],
      });
      expect([answer.status, answer.body.code]).toEqual([409, 'eventIdReused']);
      expect(answer.body.detail).toContain('"e"');
    }
    expect((await list()).items).toHaveLength(1);
    expect((await summary()).total).toEqual({ events: 1, costCents: 2 });
  });

  it('sent by a crowd at once is recorded once', async () => {
    await account();
    const events = Array.from({ length: 20 }, (_, i) => ({ id: `e${i}`, kind: 'k', costCents: 1 }));
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        post({ events: i % 2 ? events : [...events].reverse() }),
      ),
    );
    expect(answers.map(({ status }) => status).every((it) => it < 300)).toBe(true);
    expect(answers.reduce((sum, { body }) => sum + body.recorded, 0)).toBe(20);
    expect((await summary()).total).toEqual({ events: 20, costCents: 20 });
  });

  it('comes in batches, with its own twins and a limit', async () => {
    await account();
    const twin = { id: 'twin', kind: 'k', costCents: 1 };
    const { body } = await post({ events: [twin, { kind: 'k' }, twin] });
    expect(body).toMatchObject({ recorded: 2, duplicates: 1, cost: { usedCents: 1 } });
    expect(body.events.map(({ status }: { status: string }) => status)).toEqual([
      ...['recorded', 'recorded', 'duplicate'],
    ]);
    const crowd = (length: number) => ({ events: Array.from({ length }, () => ({ kind: 'k' })) });
    expect((await post(crowd(100))).body.recorded).toBe(100);
    expect((await post(crowd(101))).status).toBe(422);
    expect((await post({ events: [] })).status).toBe(422);
    expect((await post({ events: [twin, { ...twin, costCents: 2 }] })).status).toBe(409);
  });

  it('that does not fit is 422 and says why', async () => {
    await account();
    const ahead = new Date(http.now() + HOUR_MS).toISOString();
    for (const wrong of [
      { costCents: -1 },
      { costCents: 1e9 },
      { quantity: -1 },
      { quantity: 1.5 },
      { metadata: { nested: { a: 1 } } },
      { metadata: { much: 'x'.repeat(2_000) } },
      { occurredAt: 'yesterday' },
      { occurredAt: ahead },
      { occurredAt: '1999-01-01T00:00:00Z' },
      { id: '-' },
      { surplus: 1 },
    ]) {
      const answer = await spend(1, wrong);
      expect([JSON.stringify(wrong), answer.status]).toEqual([JSON.stringify(wrong), 422]);
    }
    expect((await spend(1, { occurredAt: ahead })).body.detail).toContain(ahead);
    org = 'nobody';
    expect((await spend(1)).status).toBe(404);
    expect((await http.call('GET', path())).status).toBe(404);
    expect((await http.call('GET', `${path()}/summary`)).status).toBe(404);
  });
});

describe('a cost ceiling', () => {
  it('is told of at 80 and at 100 percent, once each, and anew when it changes', async () => {
    await account({ dailyCostCents: 100 });
    expect((await spend(79.9999)).body.alerts).toEqual([]);
    expect((await spend(0.0001)).body.alerts).toEqual([80]);
    expect((await spend(5)).body.alerts).toEqual([]);
    expect((await spend(40)).body).toMatchObject({ alerts: [100], cost: { percent: 125 } });
    expect((await spend(40)).body.alerts).toEqual([]);
    await http.call('PUT', `/v1/plans/${org}`, { name: org, dailyCostCents: 200 });
    expect((await spend(0)).body.alerts).toEqual([80]);
    const rows = await alerts();
    expect(
      rows.map(({ level, version }) => [version, level]).sort((a, b) => a[0]! - b[0]!),
    ).toEqual([
      ...[
        [100, 80],
        [100, 100],
        [200, 80],
      ],
    ]);
    expect(rows[0]!.budget).toBe(`cost|${org}|2026-05-20`);
    expect(http.logged.filter((line) => line.includes('cost ceiling'))).toHaveLength(3);
  });

  it('refuses what asks first once it is reached; what crosses it is the last', async () => {
    await account({ dailyCostCents: 100 });
    await spend(60, { enforce: true });
    expect((await spend(60, { enforce: true })).body.cost).toMatchObject({
      ...{ usedCents: 120, remainingCents: 0 },
    });
    const refused = await spend(1, { enforce: true });
    expect(refused.status).toBe(402);
    expect(refused.body).toMatchObject({
      ...{ code: 'costCeilingReached', binding: 'day', used: 120, limit: 100, remaining: 0 },
      resetsAt: '2026-05-21T00:00:00.000Z',
      actions: [{ type: 'buyExtraMinutes' }, { type: 'wait', until: '2026-05-21T00:00:00.000Z' }],
    });
    // What was spent was spent.
    expect((await spend(1)).body.cost.usedCents).toBe(121);
    expect((await summary()).total).toEqual({ events: 3, costCents: 121 });
    await http.advance(12 * HOUR_MS);
    expect((await spend(1, { enforce: true })).status).toBe(201);
    await http.advance(-12 * HOUR_MS);
  });

  it('of 0 allows nothing; of null everything; in shadow mode it says what would have been', async () => {
    await account({ dailyCostCents: 0 });
    expect((await spend(0, { enforce: true })).status).toBe(402);
    await http.call('PUT', `/v1/plans/${org}`, { name: org, dailyCostCents: null });
    expect((await spend(1_000_000, { enforce: true })).body.cost).toMatchObject({
      ...{ limitCents: null, remainingCents: null, percent: 0 },
    });
    const plan = { name: org, dailyCostCents: 5, enforcement: 'shadow' };
    await http.call('PUT', `/v1/plans/${org}`, plan);
    const { status, body } = await spend(1, { enforce: true });
    expect([status, body.allowed, body.reason]).toEqual([201, true, 'costCeilingReached']);
    expect((await spend(1)).body.reason).toBeNull();
  });

  it('holds over two gateways: of requests at once one crosses it', async () => {
    await account({ dailyCostCents: 100 });
    const second = connect(http.gatewayUrl);
    try {
      const other = http.with({ db: second.tenants });
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          post({ kind: 'k', costCents: 7, enforce: true }, i % 2 ? http.call : other),
        ),
      );
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(15);
      expect(answers.filter(({ status }) => status === 402)).toHaveLength(85);
      expect((await summary()).total).toEqual({ events: 15, costCents: 105 });
      const told = answers.flatMap(({ body }) => body.alerts ?? []);
      expect(told.sort()).toEqual([100, 80]);
    } finally {
      await second.stop();
    }
  });

  it('is of the local day, also for what comes late', async () => {
    await account({ dailyCostCents: 10 }, { timeZone: 'America/New_York' });
    const late = { occurredAt: '2026-05-20T03:59:59.999Z' };
    expect((await spend(10, { ...late, enforce: true })).body).toMatchObject({
      ...{ alerts: [80, 100], cost: { day: '2026-05-20', usedCents: 0 } },
    });
    expect((await spend(1, { ...late, enforce: true })).status).toBe(402);
    expect((await spend(1, { enforce: true })).body.cost.usedCents).toBe(1);
    expect((await alerts()).map(({ budget }) => budget)).toEqual(
      Array.from({ length: 2 }, () => `cost|${org}|2026-05-19`),
    );
  });

  it('of a suspended organization: what asks first is refused, what was spent is recorded', async () => {
    await account({}, { suspended: true });
    expect((await spend(1, { enforce: true })).body.code).toBe('organizationSuspended');
    expect((await spend(1)).status).toBe(201);
  });
});

describe('sums', () => {
  it('are equal, however they are asked for: list, summary, days, and a model', async () => {
    const event = fc.record({
      kind: fc.constantFrom('tokens', 'bytes', 'calls'),
      quantity: fc.integer({ min: 0, max: 1_000_000_000 }),
      costCents: fc.integer({ min: 0, max: 100_000_000 }).map((micros) => micros / 10_000),
      user: fc.constantFrom('ann', 'bob'),
      occurredAt: fc
        .integer({ min: 0, max: 8 })
        // Some at the very same instant, also across pages.
        .map((times) => new Date(http.now() - times * 20 * HOUR_MS).toISOString()),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 25 }), async (events) => {
        org = `org-${randomUUID()}`;
        await account({}, { timeZone: 'Australia/Lord_Howe' });
        const half = Math.ceil(events.length / 2);
        await post({ events: events.slice(0, half) });
        for (const one of events.slice(half)) await post(one);

        const items: { kind: string; day: string; quantity: number; costCents: number }[] = [];
        for (let cursor = ''; ; ) {
          const page = await list(`?limit=7${cursor}`);
          items.push(...page.items);
          if (page.nextCursor === null) break;
          cursor = `&cursor=${page.nextCursor}`;
        }
        const micros = (cents: number) => BigInt(Math.round(cents * 10_000));
        const sumOf = (of: { costCents: number }[]) =>
          of.reduce((sum, { costCents }) => sum + micros(costCents), 0n);
        expect(items).toHaveLength(events.length);
        expect(sumOf(items)).toBe(sumOf(events));
        for (const by of ['kindAndDay', 'kind', 'day'] as const) {
          const all = await summary(`?from=2026-01-01&by=${by}&limit=200`);
          expect(micros(all.total.costCents)).toBe(sumOf(events));
          expect(sumOf(all.items)).toBe(sumOf(events));
          for (const row of all.items) {
            const own = items.filter(
              ({ kind, day }) =>
                (row.kind === null || row.kind === kind) && (row.day === null || row.day === day),
            );
            expect(row.events).toBe(own.length);
            expect(micros(row.costCents)).toBe(sumOf(own));
            const quantity = own.reduce((sum, it) => sum + it.quantity, 0);
            expect(row.quantity).toBe(row.kind === null ? null : quantity);
          }
        }
        const days = await http.db.select().from(dailyCosts).where(eq(dailyCosts.org, org));
        for (const { day, costMicros, events: count } of days) {
          const own = items.filter((it) => it.day === day);
          expect([count, BigInt(costMicros)]).toEqual([own.length, sumOf(own)]);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('are paged, and narrowed to a kind, a member and days', async () => {
    await account();
    await post({
      events: [
        { kind: 'a', user: 'ann', costCents: 1 },
        { kind: 'b', user: 'ann', costCents: 2 },
        { kind: 'b', user: 'bob', costCents: 4, occurredAt: '2026-05-10T10:00:00Z' },
        { kind: 'c', costCents: 8, occurredAt: '2026-04-30T10:00:00Z' },
      ],
    });
    expect((await summary()).total).toEqual({ events: 3, costCents: 7 });
    expect((await summary('?kind=b')).total.costCents).toBe(6);
    expect((await summary('?user=ann')).total.costCents).toBe(3);
    expect((await summary('?from=2026-04-01&to=2026-05-10')).total.costCents).toBe(12);
    const first = await summary('?limit=2&from=2026-04-01');
    expect(first.items.map(({ kind }: { kind: string }) => kind)).toEqual(['c', 'b']);
    const second = await summary(`?limit=2&from=2026-04-01&cursor=${first.nextCursor}`);
    expect(second.items.map(({ kind }: { kind: string }) => kind)).toEqual(['a', 'b']);
    expect(second.nextCursor).toBeNull();
    expect((await list('?kind=b&from=2026-05-11T00:00:00Z')).items).toHaveLength(1);
    expect((await list('?user=bob&to=2026-05-11T00:00:00Z')).items).toHaveLength(1);
    expect((await http.call('GET', `${path()}?cursor=nonsense`)).status).toBe(422);
    for (const day of ['May', '0000-01-01', '2026-02-30']) {
      expect((await http.call('GET', `${path()}/summary?from=${day}`)).status).toBe(422);
    }
    for (const instant of ['0000-01-01T00:00:00Z', '9999-12-31T23:59:59-14:00', 'now']) {
      expect((await http.call('GET', `${path()}?from=${instant}`)).status).toBe(422);
    }
    for (const key of [
      [-9e15, 'a'],
      [9e15, 'a'],
      [1, '\0'],
    ]) {
      const cursor = Buffer.from(JSON.stringify(['usage-events', ...key])).toString('base64url');
      expect((await http.call('GET', `${path()}?cursor=${cursor}`)).status).toBe(422);
    }
  });
});

describe('metadata', () => {
  it('is encrypted at rest where a key is set, and follows a change of keys', async () => {
    await account();
    const old = createTextCipher(['an old secret of some length']);
    const both = createTextCipher(['a new secret of some length', 'an old secret of some length']);
    const event = { id: 'sealed', kind: 'k', metadata: { patient: 'no. 17' } };
    await post(event, http.with({ cipher: old }));
    const stored = async () =>
      (await http.db.select().from(usageEvents).where(eq(usageEvents.org, org)))[0]!.metadata;
    expect(await stored()).toMatch(/^aes1:/);
    const shown = async (cipher: typeof old) =>
      (await http.with({ cipher })('GET', path())).body.items[0].metadata;
    expect(await shown(old)).toEqual(event.metadata);
    await rekeyMetadata(http.db, both);
    expect(await shown(both)).toEqual(event.metadata);
    expect(await shown(old)).toBeNull();
    expect((await post(event, http.with({ cipher: both }))).body.duplicates).toBe(1);
  });
});

describe('a check', () => {
  const check = async (body: object) =>
    (await http.call('POST', `/v1/orgs/${org}/check`, { user: 'ann', ...body })).body;

  it('shows the pieces that are left, and refuses when they are not enough', async () => {
    await account({ features: { analysis: { limit: 3, per: 'day' }, export: true } });
    await http.call('POST', `/v1/orgs/${org}/consume`, {
      ...{ user: 'ann', feature: 'analysis', quantity: 2 },
    });
    expect(await check({ feature: 'analysis' })).toMatchObject({
      ...{ allowed: true, reason: null, actions: [] },
      feature: { feature: 'analysis', used: 2, limit: 3, remaining: 1, per: 'day' },
    });
    expect(await check({ feature: 'analysis', quantity: 2 })).toMatchObject({
      ...{ allowed: false, reason: 'limitReached', binding: 'feature' },
      feature: { remaining: 1 },
      actions: [{ type: 'buyExtraMinutes' }, { type: 'wait', until: '2026-05-21T00:00:00.000Z' }],
    });
    const own = { features: { analysis: { limit: 2, per: 'month' } } };
    await http.call('PUT', `/v1/orgs/${org}/members/ann`, own);
    expect(await check({ feature: 'analysis' })).toMatchObject({
      ...{ allowed: false, binding: 'feature', feature: { scope: 'member', remaining: 0 } },
      actions: [{ type: 'askAdmin' }, { type: 'wait' }],
    });
    expect(await check({ feature: 'export' })).toMatchObject({
      ...{ allowed: true, feature: { limit: null, remaining: null } },
    });
    expect(await check({ feature: 'video' })).toMatchObject({
      ...{ allowed: false, reason: 'featureNotAllowed', binding: 'feature' },
    });
    expect(await check({})).toMatchObject({ allowed: true, feature: null, cost: null });
  });

  it('takes what it is going to cost', async () => {
    await account({ dailyCostCents: 100 });
    await spend(95);
    expect(await check({ costCents: 5 })).toMatchObject({
      ...{ allowed: true, cost: { usedCents: 95, remainingCents: 5 } },
    });
    expect(await check({ costCents: 5.0001 })).toMatchObject({
      ...{ allowed: false, reason: 'costCeilingReached', binding: 'day' },
    });
    await spend(5);
    expect(await check({ costCents: 0 })).toMatchObject({ allowed: false });
    const plan = { name: org, dailyCostCents: 100, enforcement: 'shadow' };
    await http.call('PUT', `/v1/plans/${org}`, plan);
    expect(await check({ costCents: 1 })).toMatchObject({
      ...{ allowed: true, reason: 'costCeilingReached' },
    });
  });
});
