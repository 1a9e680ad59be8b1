/** What the trigger on billing_periods holds: an end only moves earlier, and no instant is in two. */
import { and, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { connect, type DatabaseConnection } from './client.ts';
import { billingPeriods } from './schema/periods.ts';

const MAY = Date.UTC(2026, 4, 1);
const JUNE = Date.UTC(2026, 5, 1);
const JULY = Date.UTC(2026, 6, 1);

let database: TestDatabase;
let service: DatabaseConnection;
beforeAll(async () => {
  database = await createTestDatabase();
  service = connect(database.url);
});
afterAll(async () => {
  await service.stop();
  await database.drop();
});

/** An organization whose only period is May. */
async function organization() {
  const { org } = await makeTestAccount(service.db);
  const { db } = service;
  const add = (startsAt: number, endsAt: number) =>
    told(db.insert(billingPeriods).values({ org, startsAt, endsAt, mode: 0, version: 1 }));
  const change = (values: { startsAt?: number; endsAt?: number }) =>
    told(
      db
        .update(billingPeriods)
        .set(values)
        .where(and(eq(billingPeriods.org, org), eq(billingPeriods.startsAt, MAY))),
    );
  const spans = () =>
    db.execute(sql`
      select epoch_ms(starts_at) as from, epoch_ms(ends_at) as to from billing_periods
      where org = ${org} order by starts_at`);
  expect(await add(MAY, JUNE)).toBe('it was allowed');
  return { add, change, spans };
}

/** The words of Postgres' refusal. */
async function told(asked: PromiseLike<unknown>): Promise<string> {
  try {
    await asked;
  } catch (error) {
    return (error as { cause?: Error }).cause?.message ?? String(error);
  }
  return 'it was allowed';
}

it('a period keeps its start, and its end only comes nearer', async () => {
  const { change, spans } = await organization();
  expect(await change({ endsAt: JUNE + 1 })).toMatch(/it may only end earlier/);
  expect(await change({ startsAt: MAY + 1 })).toMatch(/it may only end earlier/);
  expect(await change({ startsAt: MAY - 1, endsAt: JUNE - 1 })).toMatch(/it may only end earlier/);
  expect(await spans()).toEqual([{ from: MAY, to: JUNE }]);
  expect(await change({ endsAt: JUNE - 5_000 })).toBe('it was allowed');
  expect(await change({ endsAt: JUNE })).toMatch(/it may only end earlier/);
  expect(await spans()).toEqual([{ from: MAY, to: JUNE - 5_000 }]);
});

it('no instant is in two periods of one organization, and neighbours may touch', async () => {
  const { add, change, spans } = await organization();
  expect(await add(JUNE - 1, JULY)).toMatch(/would overlap another/);
  expect(await add(MAY - 1, MAY + 1)).toMatch(/would overlap another/);
  expect(await add(JUNE, JULY)).toBe('it was allowed');
  expect(await add(MAY - 1, MAY)).toBe('it was allowed');
  expect(await change({ endsAt: JUNE - 1 })).toBe('it was allowed');
  expect(await spans()).toEqual([
    { from: MAY - 1, to: MAY },
    { from: MAY, to: JUNE - 1 },
    { from: JUNE, to: JULY },
  ]);
});
