/** What becomes of rows that are unusual and right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createTestLedger,
  findingsOf,
  MINUTE_MS,
  type TestLedger,
} from '../../worker/ledger/test-look.ts';
import { minutesOf, sessionOf, settleAll } from '../../worker/ledger/test-rows.ts';
import type { Kind } from './columns.ts';
import { importInto, type RunOptions, writeSource } from './test-run.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const HEADER = 'organization_id,user_id,session_id,minute_timestamp,seconds';

async function run(files: Partial<Record<Kind, string[]>>, options?: RunOptions) {
  const texts = Object.entries(files).map(([kind, lines]) => [kind, lines.join('\n')]);
  const { folder, tables } = writeSource(Object.fromEntries(texts));
  return importInto(ledger, folder, tables, options);
}

const sums = async (org: string) => {
  const { sql } = ledger.connection;
  const rows = await sql<{ id: string; user: string; ms: number; state: string }[]>`
    select id, user_id as user, settled_ms as ms, state from sessions where org = ${org} order by id`;
  return rows.map(({ id, user, ms, state }) => [id, user, ms / MINUTE_MS, state]);
};

describe('an imported session', () => {
  it('is dense and closed, whatever pauses it had, and grows by a later file', async () => {
    const account = await ledger.account();
    const { org } = account;
    const rows = [30, 60, 15].map((s, i) => `${org},ann,s1,2026-05-0${i + 1} 10:00:00,${s}`);
    await run({ usage: [HEADER, ...rows] });
    await run({ usage: [HEADER, `${org},ann,s1,2026-05-01 09:59:00,20`] });
    await run({ usage: [HEADER, rows[0]!.replace(/30$/, '45'), rows[1]!] });
    const minutes = await minutesOf(ledger, account);
    expect(minutes.map((it) => [it.minute, it.ms])).toEqual([
      [0, 60_000],
      [1, 60_000],
      [2, 20_000],
    ]);
    expect(await sessionOf(ledger, account)).toMatchObject({
      state: 'closed',
      recordedMs: 140_000,
    });
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });

  it('across a reset lies in both periods, by the organization and its zone', async () => {
    const account = await ledger.account({ org: { timeZone: 'America/New_York', anchorDay: 15 } });
    const { org } = account;
    const rows = [58, 59, 60, 61].map((minute) => {
      const at = new Date(Date.UTC(2026, 4, 15, 3, minute)).toISOString();
      return `${org},ann,s1,${at},60`;
    });
    await run({ usage: [HEADER, ...rows] });
    const minutes = await minutesOf(ledger, account);
    expect(minutes.map((it) => [new Date(it.period).toISOString(), it.day, it.ms])).toEqual([
      ['2026-04-15T04:00:00.000Z', '2026-05-14', 60_000],
      ['2026-04-15T04:00:00.000Z', '2026-05-14', 60_000],
      ['2026-05-15T04:00:00.000Z', '2026-05-15', 60_000],
      ['2026-05-15T04:00:00.000Z', '2026-05-15', 60_000],
    ]);
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });

  it('of two users is two, the first keeping its name, in every run', async () => {
    const { org } = await ledger.account();
    const rows = ['ann', 'bob'].map((user, i) => `${org},${user},s1,2026-05-01 10:0${i}:00,60`);
    for (let i = 0; i < 2; i++) {
      await run({ usage: [HEADER, ...(i === 0 ? rows : rows.reverse())] });
      expect(await sums(org)).toEqual([
        ['s1', 'ann', 1, 'closed'],
        ['s1:bob', 'bob', 1, 'closed'],
      ]);
    }
  });

  it('of the running period reaches the live budget, also while others record', async () => {
    const account = await ledger.account({ plan: { quotaMs: 100 * MINUTE_MS } });
    const { org } = account;
    await account.open('live');
    await account.record('live', 3 * MINUTE_MS);
    expect((await account.budget()).usedMs).toBe(3 * MINUTE_MS);
    await run({
      usage: [HEADER, ...[0, 1, 2, 3, 4].map((i) => `${org},ann,s1,2026-05-03 10:0${i}:00,60`)],
    });
    expect(await findingsOf(ledger, [org])).toEqual([]);
    await account.assert();
    await account.record('live', MINUTE_MS);
    expect((await account.budget()).usedMs).toBe(9 * MINUTE_MS);
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });

  it('that was measured here is left to what measured it', async () => {
    const account = await ledger.account();
    const { org } = account;
    await account.open('s1');
    await account.record('s1', MINUTE_MS);
    await settleAll(ledger, account);
    const report = await run({ usage: [HEADER, `${org},alice,s1,2026-05-01 10:00:00,60`] });
    expect(report.skipped).toMatchObject([{ kind: 'measuredHere', rows: 1 }]);
    expect((await minutesOf(ledger, account)).map((it) => it.ms)).toEqual([MINUTE_MS]);
  });

  it('that was begun to be measured here while its rows waited is left alone too', async () => {
    const account = await ledger.account();
    const { org } = account;
    const usage = [
      HEADER,
      ...['s1', 's2'].map((it) => `${org},alice,${it},2026-05-01 10:00:00,60`),
    ];
    // The second point at which a run may be killed: its rows are put down, none is settled.
    await expect(run({ usage }, { cutAfter: 1 })).rejects.toThrow('cut after 1');
    await account.open('s1');
    await account.record('s1', 2 * MINUTE_MS);
    await settleAll(ledger, account);
    const report = await run({ usage });
    expect(report.written).toMatchObject({ rows: 1, dropped: 1 });
    expect(report.skipped.map((it) => it.kind).sort()).toEqual(['known', 'measuredHere']);
    expect((await sums(org)).map(([id, , minutes]) => [id, minutes])).toEqual([
      ['s1', 2],
      ['s2', 1],
    ]);
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });

  it('that began at --until or later is left out whole, one that began before comes whole', async () => {
    const { org } = await ledger.account();
    const rows = [
      ...['before,2026-05-01 09:59:00', 'before,2026-05-01 10:01:00', 'after,2026-05-01 10:00:00'],
      ...[',2026-05-01 09:00:00', ',2026-05-01 10:00:00'],
    ].map((it) => `${org},ann,${it},60`);
    const until = Date.UTC(2026, 4, 1, 10);
    for (const isDryRun of [true, false]) {
      const report = await run({ usage: [HEADER, ...rows] }, { until, isDryRun });
      expect(report.skipped).toMatchObject([{ kind: 'afterUntil', rows: 2 }]);
      expect(report.forecast.months).toMatchObject([{ org, rows: 3, ms: 3 * MINUTE_MS }]);
    }
    expect((await sums(org)).map(([, , minutes]) => minutes).sort()).toEqual([1, 2]);
  });

  it('without minutes of its own is made of how long it was', async () => {
    const { org } = await ledger.account();
    const sessions = [
      'id,organization_id,user_id,started_at,ended_at,duration_minutes',
      `s1,${org},ann,2026-05-01 10:00:00,2026-05-01 10:05:00,2.5`,
      `s2,${org},ann,2026-05-01 11:00:00,2026-05-01 11:05:00,`,
      `s3,${org},ann,2026-05-01 12:00:00,2026-05-01 11:05:00,`,
    ];
    const report = await run({ sessions });
    expect(await sums(org)).toEqual([
      ['s1', 'ann', 2.5, 'closed'],
      ['s2', 'ann', 5, 'closed'],
    ]);
    expect(report.skipped).toMatchObject([{ kind: 'negative', rows: 1 }]);
    expect(await findingsOf(ledger, [org])).toEqual([]);
  });
});

describe('accounts', () => {
  it('are made where they are missing, and never changed; a user of one needs none named', async () => {
    const { org, plan } = await ledger.account();
    const organizations = [
      'id,name,plan,timezone,billing_day,minutes_limit',
      `new-a,A,${plan},Europe/Berlin,31,500`,
      `new-b,B,gold,,,-1`,
      `new-c,C,${plan},Mars,,`,
      `${org},other name,${plan},,,`,
    ];
    const members = ['organization_id,user_id,email', 'new-a,zoe,z@example.org', 'new-b,max,'];
    const usage = [HEADER, ',zoe,s1,2026-05-01 10:00:00,60', ',nobody,s2,2026-05-01 10:00:00,60'];
    const files = { organizations, members, usage };
    const dry = await run(files, { isDryRun: true });
    const report = await run(files);
    expect(dry.accounts).toEqual({ organizations: 1, members: 1 });
    expect(report.accounts).toEqual(dry.accounts);
    const kinds = report.skipped.map((it) => it.kind).sort();
    expect(kinds).toEqual([
      'badZone',
      'known',
      'noOrganization',
      'unknownOrganization',
      'unknownPlan',
    ]);
    const { sql } = ledger.connection;
    const [made] =
      await sql`select anchor_day, quota_ms, time_zone from organizations where id = 'new-a'`;
    expect(made).toEqual({ anchor_day: 31, quota_ms: 500 * MINUTE_MS, time_zone: 'Europe/Berlin' });
    const [same] = await sql`select name from organizations where id = ${org}`;
    expect(same!.name).not.toBe('other name');
    expect(await sums('new-a')).toEqual([['s1', 'zoe', 1, 'closed']]);
    const all = await run(files, { plan });
    expect(all.accounts).toEqual({ organizations: 1, members: 1 });
  });
});

describe("the source's own monthly sums", () => {
  it('agree by their minutes or by their rows, in the months of the zone', async () => {
    const { org } = await ledger.account();
    const usage = [
      ...[HEADER, `${org},ann,s1,2026-04-30 23:30:00,30`, `${org},ann,s1,2026-05-01 00:00:00,30`],
      `${org},bob,s2,2026-05-01 00:00:00,30`,
    ];
    const cache = [
      'organization_id,user_id,year,month,minutes_used',
      ...[`${org},ann,2026,4,1`, `${org},ann,2026,5,1`, `${org},,2026,5,2`, `${org},bob,2026,5,9`],
    ];
    const report = await run({ usage, cache }, { zone: 'America/New_York' });
    expect(report.cache).toMatchObject({ compared: 4, agreeing: 3 });
    expect(report.cache!.differences).toEqual([
      { org, user: 'bob', month: '2026-05', sourceMs: 9 * MINUTE_MS, rowsMs: 30_000, rows: 1 },
    ]);
  });
});
