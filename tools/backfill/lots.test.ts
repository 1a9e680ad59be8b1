/** Purchased minutes: none is lost, none comes twice, whatever else is imported and recorded. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createTestLedger,
  findingsOf,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../../worker/ledger/test-look.ts';
import { lotsOf, settleAll } from '../../worker/ledger/test-rows.ts';
import { importInto, writeSource } from './test-run.ts';

let ledger: TestLedger;
let account: TestOrganization;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const LOTS = 'id,org_id,minutes,minutes_remaining,purchased_at,status,amount,currency';

/** So many whole minutes of a session from an instant on. */
const minutesFrom = (org: string, session: string, at: number, count: number, lot = '') =>
  Array.from({ length: count }, (_, i) =>
    [org, 'alice', session, new Date(at + i * MINUTE_MS).toISOString(), 60, lot].join(','),
  );
const USAGE = 'org_id,user_id,session_id,minute_timestamp,seconds,purchase_id';

async function run(files: { lots?: string[]; usage?: string[] }) {
  const { folder, tables } = writeSource({
    ...(files.lots && { lots: [LOTS, ...files.lots].join('\n') }),
    ...(files.usage && { usage: [USAGE, ...files.usage].join('\n') }),
  });
  return importInto(ledger, folder, tables, { rowsATurn: 7 });
}

const leftOf = async () =>
  Object.fromEntries(
    (await lotsOf(ledger, account)).map((it) => [
      it.id.split(':')[2],
      [it.usedMs / MINUTE_MS, (it.grantedMs - it.reversedMs - it.usedMs) / MINUTE_MS],
    ]),
  );
const drawn = async () => {
  const { sql } = ledger.connection;
  const [row] = await sql`select drawn_ms from organizations where id = ${account.org}`;
  return Number(row!.drawn_ms) / MINUTE_MS;
};

const APRIL = Date.UTC(2026, 3, 10, 9);

describe('imported lots', () => {
  it('keep what the source left of them, while imported minutes burn what it had used', async () => {
    account = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    const { org } = account;
    const lots = [
      `a,${org},20,0,2026-04-01,succeeded,9.99,USD`,
      `b,${org},30,25,2026-04-02,,,`,
      `c,${org},60,60,2026-05-02,paid,,`,
      `d,${org},60,60,2026-05-02,refunded,,`,
    ];
    const usage = minutesFrom(org, 'april', APRIL, 33);
    const first = await run({ lots });
    expect(await leftOf()).toEqual({ a: [0, 0], b: [0, 25], c: [0, 60] });
    expect(first.lots).toMatchObject({ made: 3, leftMs: 85 * MINUTE_MS });
    expect(first.skipped).toMatchObject([{ kind: 'notPaid', rows: 1 }]);
    const { sql } = ledger.connection;
    const words = await sql`select org from meter_outbox where org = ${org} and user_id is null`;
    expect(words).toHaveLength(1);
    const report = await run({ lots, usage });
    // 10 of the plan, then 20 of a and 3 of the 5 that were used of b.
    expect(report.written).toMatchObject({ planMs: 10 * MINUTE_MS, extraMs: 23 * MINUTE_MS });
    expect(await leftOf()).toEqual({ a: [20, 0], b: [3, 25], c: [0, 60] });
    expect(await drawn()).toBe(23);
    expect(await findingsOf(ledger, [org])).toEqual([]);
    await run({ lots, usage });
    expect(await leftOf()).toEqual({ a: [20, 0], b: [3, 25], c: [0, 60] });
    const [lot] = await lotsOf(ledger, account);
    expect(lot).toMatchObject({ source: 'import', amountCents: 999, currency: 'usd' });
  });

  it('serve live sessions to the last minute, also while history comes in', async () => {
    const { org } = account;
    await account.open('live');
    await account.record('live', 12 * MINUTE_MS);
    await settleAll(ledger, account);
    // 10 of the plan of May, 2 of b, which is the first with something left.
    expect(await leftOf()).toMatchObject({ b: [5, 23] });
    await run({ usage: minutesFrom(org, 'april-2', APRIL + 3_600_000, 4) });
    // The 2 that were used of b there are burnt now; the rest of that time had no lot.
    expect(await leftOf()).toEqual({ a: [20, 0], b: [7, 23], c: [0, 60] });
    expect(await findingsOf(ledger, [org])).toEqual([]);
    await account.assert();
    await account.record('live', 24 * MINUTE_MS);
    await account.close('live', 36 * MINUTE_MS);
    await settleAll(ledger, account);
    expect(await leftOf()).toEqual({ a: [20, 0], b: [30, 0], c: [1, 59] });
    expect(await findingsOf(ledger, [org])).toEqual([]);
    expect((await account.budget(MAY)).planMs).toBe(10 * MINUTE_MS);
  });

  it('go down where the source used more of them since, and never below what was used here', async () => {
    const { org } = account;
    const report = await run({ lots: [`c,${org},60,40,2026-05-02,paid,,`] });
    expect(report.lots).toMatchObject({ made: 0, lowered: 1, loweredMs: 20 * MINUTE_MS });
    expect((await leftOf()).c).toEqual([1, 39]);
    await run({ lots: [`c,${org},60,40,2026-05-02,paid,,`] });
    await run({ lots: [`c,${org},60,50,2026-05-02,paid,,`] });
    expect((await leftOf()).c).toEqual([1, 39]);
    await run({ lots: [`c,${org},60,0,2026-05-02,paid,,`] });
    expect((await leftOf()).c).toEqual([1, 0]);
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });

  it('are burnt as the source says, and else the oldest that was bought by then', async () => {
    account = await ledger.account({ plan: { quotaMs: 0 } });
    const { org } = account;
    const lots = [
      `a,${org},20,20,2026-04-01,paid,,`,
      `b,${org},20,12,2026-04-02,paid,,`,
      `c,${org},20,,2026-04-03,paid,,`,
      `late,${org},20,,2026-05-03,paid,,`,
    ];
    const named = minutesFrom(org, 'said', APRIL, 6, 'b');
    const unnamed = minutesFrom(org, 'unsaid', APRIL + 3_600_000, 25);
    const report = await run({ lots, usage: [...named, ...unnamed] });
    // b: 6 by name and 2 more of what was used there; c says nothing, so all of it; late came later.
    expect(await leftOf()).toEqual({ a: [0, 20], b: [8, 12], c: [20, 0], late: [0, 20] });
    expect(report.written).toMatchObject({ extraMs: 28 * MINUTE_MS, overageMs: 3 * MINUTE_MS });
    const { sql } = ledger.connection;
    const [april] = await sql`
      select billable_ms, debt_ms from billing_periods where org = ${org} and used_ms > 0`;
    expect(april).toMatchObject({ billable_ms: 0, debt_ms: 0 });
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });

  it('without an id are told apart by what they are, and by how often', async () => {
    account = await ledger.account();
    const { org } = account;
    const header = 'org_id,minutes,purchased_at';
    const rows = [`${org},60,2026-04-01`, `${org},60,2026-04-01`, `${org},90,2026-04-01`];
    const { folder, tables } = writeSource({ lots: [header, ...rows].join('\n') });
    for (const made of [3, 0]) {
      const report = await importInto(ledger, folder, tables);
      expect(report.lots.made).toBe(made);
    }
    expect(await lotsOf(ledger, account)).toHaveLength(3);
  });
});
