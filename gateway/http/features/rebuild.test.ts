import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { connect } from '../../../drizzle/client.ts';
import { rebuildCounts } from '../../../drizzle/queries/rebuild-counts.ts';
import { usageQuotas } from '../../../drizzle/schema/features.ts';
import { dailyCosts } from '../../../drizzle/schema/usage-events.ts';
import { startTestHttp, type TestHttp } from '../test-http.ts';

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  const features = { analysis: true, export: { limit: 1_000, per: 'month' } };
  await http.call('PUT', '/v1/plans/p', { name: 'P', features });
  await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'p' });
});
afterAll(() => http.stop());

const rebuild = () => http.db.transaction((tx) => rebuildCounts(tx, 'acme'));
const counts = async () => ({
  quotas: await http.db
    .select()
    .from(usageQuotas)
    .where(eq(usageQuotas.org, 'acme'))
    .orderBy(sql`feature, user_id, per, starts_at`),
  days: await http.db.select().from(dailyCosts).where(eq(dailyCosts.org, 'acme')).orderBy(sql`day`),
});

/** Pieces taken and some given back, and money spent, today and before. */
async function work(round: number): Promise<void> {
  await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const user = i % 3 === 0 ? 'ann' : 'bob';
      const feature = i % 2 === 0 ? 'analysis' : 'export';
      const body = { user, feature, quantity: 1 + (i % 4) };
      const used = await http.call('POST', '/v1/orgs/acme/consume', body);
      expect(used.status).toBe(200);
      if (i % 5 === 0) {
        const { consumption } = used.body;
        await http.call('POST', '/v1/orgs/acme/consume/undo', { consumption });
      }
      const occurredAt = new Date(http.now() - (i + round) * 3_600_000).toISOString();
      const event = { kind: 'k', costCents: i + 0.5, occurredAt };
      const recorded = await http.call('POST', '/v1/orgs/acme/usage-events', event);
      expect(recorded.status).toBe(201);
    }),
  );
}

it('mends what was counted wrong, once and for all, while pieces and costs are counted', async () => {
  await work(0);
  await http.advance(24 * 3_600_000);
  let isWorking = true;
  const working = (async () => {
    for (let round = 1; round <= 3; round += 1) await work(round * 24);
    isWorking = false;
  })();
  const mended = { quotas: 0, days: 0 };
  for (let i = 0; i < 200 && isWorking; i += 1) {
    await http.db.execute(sql`
      update usage_quotas set used = used + 7 where per = 'day' and user_id = ''`);
    await http.db.execute(sql`
      update daily_costs set cost_micros = 0 where day = (select min(day) from daily_costs)`);
    const { quotas, days } = await rebuild();
    mended.quotas += quotas;
    mended.days += days;
    // Had it written a sum that was outrun meanwhile, this would find it.
    expect(await rebuild()).toEqual({ quotas: 0, days: 0 });
  }
  await working;
  expect(mended.quotas).toBeGreaterThan(0);
  expect(mended.days).toBeGreaterThan(0);
  const before = await counts();
  expect(await rebuild()).toEqual({ quotas: 0, days: 0 });
  expect(await counts()).toEqual(before);
});

it('mends all there is', async () => {
  const before = await counts();
  await http.db.execute(sql`update usage_quotas set used = used + 7 where per = 'day'`);
  await http.db.execute(sql`update daily_costs set cost_micros = 0, events = 0`);
  const { quotas, days } = await rebuild();
  expect(quotas).toBe(before.quotas.filter(({ per }) => per === 'day').length);
  expect(days).toBe(before.days.length);
  expect(await counts()).toEqual(before);
});

it('makes the counts that are missing, while pieces are counted', async () => {
  const owner = connect(http.adminUrl, { scope: 'installation' });
  onTestFinished(owner.stop);
  await work(0);
  const before = await counts();
  expect(before.quotas.length).toBeGreaterThan(8);
  await owner.db.execute(sql`delete from usage_quotas`);
  expect((await rebuild()).quotas).toBe(before.quotas.filter(({ used }) => used > 0).length);
  const told = (rows: typeof before.quotas) =>
    rows.filter(({ used }) => used > 0).map(({ pieceLimit: _, ...row }) => row);
  expect(told((await counts()).quotas)).toEqual(told(before.quotas));

  let isWorking = true;
  const working = (async () => {
    for (let i = 0; i < 20; i += 1) {
      await Promise.all(
        ['ann', 'bob', 'eve'].map(async (user) => {
          const body = { user, feature: 'analysis' };
          expect((await http.call('POST', '/v1/orgs/acme/consume', body)).status).toBe(200);
        }),
      );
    }
    isWorking = false;
  })();
  // A row made out of turn would wait for a request that waits for it: both would fail.
  for (let i = 0; i < 200 && isWorking; i += 1) {
    await owner.db.execute(sql`
      delete from usage_quotas where per = ${i % 2 === 0 ? 'day' : 'month'} and user_id = ''`);
    await rebuild();
    expect(await rebuild()).toEqual({ quotas: 0, days: 0 });
  }
  await working;
  await rebuild();
  const [row] = await http.db.execute(sql`
    select sum(used)::int as used, (select sum(quantity)::int from feature_consumptions
      where undone_at is null) as consumed from usage_quotas where per = 'day' and user_id = ''`);
  expect(row!.used).toBe(row!.consumed);
}, 60_000);
