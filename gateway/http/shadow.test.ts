import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadLimits } from '../../drizzle/queries/load-limits.ts';
import { type ShadowDecision, saveShadow } from '../../drizzle/queries/save-shadow.ts';
import { createShadowBook } from '../shadow/book.ts';
import { MAY, START, startTestHttp, type TestHttp } from './test-http.ts';

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/soft', { name: 'Soft', minutes: 1, enforcement: 'shadow' });
  await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'soft' });
  const stop: ShadowDecision = {
    ...{ org: 'acme', what: 'stopped', reason: 'limitReached', binding: 'organization' },
    ...{ user: 'ann', session: 's1', period: MAY, decidedAt: START, unit: 'ms' },
    ...{ used: 61_000, allowed: 60_000 },
  };
  const start: ShadowDecision = { ...stop, what: 'refused', user: 'bob', wanted: 5_000 };
  // By a gateway's own login, which may write them and change none.
  const db = http.deps.db.of('acme');
  for (const decision of [
    ...[stop, stop, { ...stop, binding: 'member' }, { ...stop, session: 's2' }],
    ...[start, { ...start, session: 's3', decidedAt: START + 1_000 }],
  ]) {
    await saveShadow(db, decision);
  }
});
afterAll(() => http.stop());

const ask = async (query = '') => (await http.call('GET', `/v1/orgs/acme/shadow?${query}`)).body;

it('counts what would have been refused or stopped, each decision once', async () => {
  const body = await ask();
  expect(body).toMatchObject({ enforcement: 'shadow', nextCursor: null });
  expect(body.counts).toEqual([
    { what: 'refused', reason: 'limitReached', binding: 'organization', count: 2 },
    { what: 'stopped', reason: 'limitReached', binding: 'organization', count: 2 },
    { what: 'stopped', reason: 'limitReached', binding: 'member', count: 1 },
  ]);
  expect(body.items).toHaveLength(5);
  expect(body.items[0]).toEqual({
    ...{ at: new Date(START + 1_000).toISOString(), what: 'refused', reason: 'limitReached' },
    ...{ binding: 'organization', user: 'bob', session: 's3', feature: null },
    ...{ period: new Date(MAY).toISOString(), unit: 'ms', used: 61_000, allowed: 60_000 },
    wanted: 5_000,
  });
});

it('is paged, with the counts of the whole on every page', async () => {
  const seen = new Set<string>();
  let cursor: string | null = '';
  while (cursor !== null) {
    const body: Awaited<ReturnType<typeof ask>> = await ask(
      `limit=2${cursor && `&cursor=${cursor}`}`,
    );
    expect(body.counts).toHaveLength(3);
    for (const it of body.items) seen.add(`${it.what}|${it.session}|${it.binding}`);
    cursor = body.nextCursor;
  }
  expect(seen.size).toBe(5);
});

it('shows what was asked for, and is no member’s to see', async () => {
  expect((await ask('what=stopped&user=ann')).items).toHaveLength(3);
  expect((await ask(`from=${new Date(START + 1).toISOString()}`)).items).toHaveLength(1);
  expect((await ask(`to=${new Date(START + 1).toISOString()}`)).items).toHaveLength(4);
  const as = await http.ticket('acme', 'ann');
  const { status } = await http.call('GET', '/v1/orgs/acme/shadow', undefined, { as });
  expect(status).toBe(403);
});

it('has what a check of a feature or a file would have refused, once a member and local day', async () => {
  const book = createShadowBook({
    limits: (org, user) => loadLimits(http.deps.db.of(org), org, user),
    liveSessions: http.meter.liveSessions,
    save: (decision) => saveShadow(http.deps.db.of(decision.org), decision),
    log: http.deps.log,
  });
  const call = http.with({ shadowed: book.decided });
  const plan = { name: 'Files', maxSessionMinutes: 1, maxFileBytes: 100, enforcement: 'shadow' };
  const features = { analysis: { limit: 2, per: 'day' } };
  await http.call('PUT', '/v1/plans/files', { ...plan, features });
  await http.call('PUT', '/v1/orgs/filer', {
    name: 'Filer',
    plan: 'files',
    timeZone: 'Asia/Tokyo',
  });
  await http.call('POST', '/v1/orgs/filer/consume', { user: 'ann', feature: 'analysis' });
  const items = async () => {
    const { body } = await http.call('GET', '/v1/orgs/filer/shadow');
    return body.items.map((it: Record<string, unknown>) => [
      ...[it.user, it.reason, it.binding, it.feature, it.unit, it.used, it.allowed, it.wanted],
    ]);
  };
  const check = async (body: object, reason: string | null) =>
    expect((await call('POST', '/v1/orgs/filer/check', body)).body).toMatchObject({
      ...{ allowed: true, reason },
    });
  for (let i = 0; i < 3; i += 1) {
    await check({ user: 'ann', feature: 'video' }, 'featureNotAllowed');
    await check({ user: 'ann', feature: 'analysis', quantity: 2 }, 'limitReached');
    await check({ user: 'bob', bytes: 101 + i }, 'fileTooLarge');
    // What is within its limits is not there; nor is time, of which a start tells.
    await check({ user: 'ann', feature: 'analysis', bytes: 100 }, null);
    await check({ user: 'ann', plannedMs: 60_001 }, 'plannedTooLong');
  }
  const today = [
    ['bob', 'fileTooLarge', 'plan', null, 'bytes', 0, 100, 101],
    ['ann', 'limitReached', 'feature', 'analysis', 'count', 1, 2, 2],
    ['ann', 'featureNotAllowed', 'feature', 'video', 'count', 0, 0, 1],
  ];
  await expect.poll(async () => (await items()).sort()).toEqual(today.toSorted());
  await http.advance(24 * 3_600_000);
  await check({ user: 'bob', bytes: 1_000 }, 'fileTooLarge');
  const tomorrow = ['bob', 'fileTooLarge', 'plan', null, 'bytes', 0, 100, 1_000];
  await expect.poll(async () => (await items())[0]).toEqual(tomorrow);
  expect(await items()).toHaveLength(4);
  await book.stop();
});
