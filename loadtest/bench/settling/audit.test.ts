import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../local/test-database.ts';
import { makeTables } from '../../peers/minute.ts';
import { audit } from './audit.ts';
import { lotsOf, MINUTE_MS, quotaOf } from './work.ts';

const PERIOD = '2026-01-01T00:00:00Z';
const BOOKS = { minutes: 'peer_minutes', lots: 'peer_lots', burns: 'peer_burns' };
/** The second one draws on lots: a minute of 33 s from the first lot, the rest from the next. */
const ORGS = ['far', 'short'];
const PLAN = quotaOf(1) / MINUTE_MS;

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.adminUrl, { max: 1, onnotice: () => {} });
  await makeTables(sql);
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

const check = (minutes = PLAN + 2) =>
  audit(sql, BOOKS, ORGS, new Map([['short', minutes * MINUTE_MS]]));

beforeEach(async () => {
  await sql`truncate peer_minutes, peer_lots, peer_burns`;
  const [first, second] = lotsOf(ORGS, new Date(PERIOD));
  for (const { id, lot, used } of [
    { id: 'old', lot: first!, used: MINUTE_MS + 33_000 },
    { id: 'new', lot: second!, used: 27_000 },
    { id: 'last', lot: second!, used: 0 },
  ]) {
    const granted = id === 'old' ? used : lot.grantedMs;
    const at = new Date(lot.purchasedAt.getTime() + (id === 'last' ? 1 : 0));
    await sql`insert into peer_lots values (${id}, 'short', ${granted}, ${used}, ${at})`;
  }
  for (let minute = 0; minute < PLAN + 2; minute += 1) {
    const extra = minute < PLAN ? 0 : MINUTE_MS;
    await sql`insert into peer_minutes values ('short', 's', ${minute}, ${PERIOD}, 'alice',
      '2026-01-01', ${MINUTE_MS}, ${MINUTE_MS - extra}, ${extra}, 0)`;
  }
  await sql`insert into peer_burns values
    ('short', 's', ${PLAN}, ${PERIOD}, 'old', 60000),
    ('short', 's', ${PLAN + 1}, ${PERIOD}, 'old', 33000),
    ('short', 's', ${PLAN + 1}, ${PERIOD}, 'new', 27000)`;
});

describe('the audit after settling', () => {
  it('finds nothing where every minute is there once and lots were burnt in order', async () => {
    await expect(check()).resolves.toBeUndefined();
  });

  it('finds a minute that is missing, and one that came too often', async () => {
    await expect(check(PLAN + 3)).rejects.toThrow('ms of short');
    await sql`delete from peer_minutes where minute = 3`;
    await expect(check()).rejects.toThrow('missing');
    await sql`insert into peer_minutes values ('short', 's', 4, '2026-02-01T00:00:00Z', 'alice',
      '2026-01-01', 60000, 60000, 0, 0)`;
    await expect(check()).rejects.toThrow('more than full');
  });

  it('finds a burn that its minute does not say', async () => {
    await sql`update peer_burns set ms = 26999 where purchase = 'new'`;
    await expect(check()).rejects.toThrow('do not add up');
  });

  it('finds a lot that was burnt before its turn', async () => {
    await sql`update peer_burns set purchase = 'last' where purchase = 'new'`;
    await sql`update peer_lots set used_ms = 27000 - used_ms where id in ('new', 'last')`;
    await expect(check()).rejects.toThrow('order');
  });

  it("finds a lot's sum that is not what was burnt of it", async () => {
    await sql`update peer_lots set used_ms = used_ms + 1 where id = 'new'`;
    await sql`update peer_lots set used_ms = used_ms - 1 where id = 'old'`;
    await expect(check()).rejects.toThrow('burns');
  });
});
