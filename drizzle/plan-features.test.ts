import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { connect, type DatabaseConnection } from './client.ts';

let database: TestDatabase;
let worker: DatabaseConnection;
let gateway: DatabaseConnection;
beforeAll(async () => {
  database = await createTestDatabase();
  worker = connect(database.url);
  gateway = connect(database.gatewayUrl);
});
afterAll(async () => {
  await Promise.all([worker.stop(), gateway.stop()]);
  await database.drop();
});

it('shows what plans allow to plain SQL, to both logins, as it is at that moment', async () => {
  const { plan } = await makeTestAccount(worker.db, {
    plan: {
      features: {
        analysis: { limit: 100, per: 'month' },
        export: true,
        interviews: { limit: 3, per: 'day' },
        none: { limit: 0, per: 'day' },
        video: false,
      },
    },
  });
  const query = sql`select feature, allowed, piece_limit, per from plan_features
    where plan = ${plan} order by feature`;
  const expected = [
    { feature: 'analysis', allowed: true, piece_limit: 100, per: 'month' },
    { feature: 'export', allowed: true, piece_limit: null, per: null },
    { feature: 'interviews', allowed: true, piece_limit: 3, per: 'day' },
    { feature: 'none', allowed: false, piece_limit: 0, per: 'day' },
    { feature: 'video', allowed: false, piece_limit: null, per: null },
  ];
  for (const { db } of [worker, gateway]) {
    expect([...(await db.execute(query))]).toEqual(expected);
  }
  await worker.db.execute(sql`update plans set features = '{"video": true}' where id = ${plan}`);
  expect([...(await gateway.db.execute(query))]).toEqual([
    { feature: 'video', allowed: true, piece_limit: null, per: null },
  ]);
});
