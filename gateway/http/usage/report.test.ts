import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePeriod } from '../../../drizzle/queries/ensure-period.ts';
import { MAY, START, startTestHttp, type TestHttp } from '../test-http.ts';
import { type ReportKind, type ReportRow, reportPages } from './report-rows.ts';

const SESSIONS = 2_345;
let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: null, roundTo: 'minute' });
  const org = { name: 'many', plan: 'basic', timeZone: 'Asia/Kolkata', anchorDay: 1 };
  await http.call('PUT', '/v1/orgs/many', org);
  await http.call('PUT', '/v1/orgs/none', { ...org, name: 'none' });
  const { startsAt } = (await ensurePeriod(http.db, 'many', START))!;
  const period = sql`from_epoch_ms(${startsAt})`;
  // Three at a time, so that pages end between sessions that began in the same instant.
  await http.db.execute(sql`
    insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period, state,
      ended_at, reason, recorded_ms, settled_ms, overshoot_ms, generation)
    select 'many', 's' || i, 'user' || i % 7, from_epoch_ms(${START}::bigint + i / 3 * 1000), '2026-05-01',
      ${period}, ${period}, 'closed', from_epoch_ms(${START}::bigint + 90000), 'stopped', 90500, 90000, 500, 0
    from generate_series(1, ${SESSIONS}) i`);
  await http.db.execute(sql`
    insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms, plan_ms,
      extra_ms, overage_ms, billable_ms, debt_ms)
    select '2026-05-01', 'many', 's' || i, m, ${period}, 'user' || i % 7, '2026-05-20',
      60000 - 30000 * m, 60000 - 30000 * m, 0, 0, 0, 0
    from generate_series(1, ${SESSIONS}) i, generate_series(0, 1) m`);
  await http.db.execute(sql`
    insert into daily_usage (org, user_id, day, used_ms, plan_ms)
    select 'many', 'user' || u, date '2026-05-01' + d, 1000, 1000
    from generate_series(0, 6) u, generate_series(0, 19) d`);
  await http.db.execute(sql`
    insert into monthly_usage_cache (org, user_id, period, used_ms, plan_ms, extra_ms)
    select 'many', 'user' || u, ${period}, 20000, 15000, 5000 from generate_series(0, 6) u`);
});
afterAll(() => http.stop());

async function report(org: string, query: string, as?: string): Promise<string[]> {
  const path = `/v1/orgs/${org}/usage/report?${query}`;
  const { status, body } = await http.call('GET', path, undefined, as ? { as } : {});
  expect([path, status]).toEqual([path, 200]);
  expect(body.endsWith('\r\n')).toBe(true);
  return body.slice(0, -2).split('\r\n');
}
const MAY_LONG = 'from=2026-05-01&to=2026-05-31';

describe('a report', () => {
  it('by session has each once, with local instants, units in its header, and rounded once', async () => {
    const [header, ...rows] = await report('many', `by=session&${MAY_LONG}`);
    expect(header).toBe(
      'session,member,started (Asia/Kolkata),ended (Asia/Kolkata),state,reason,recorded (minutes),' +
        'charged (minutes),charged (hours),plan (minutes),extra (minutes),overage (minutes),' +
        '"billed (minutes, rounded up to the minute)"',
    );
    expect(rows).toHaveLength(SESSIONS);
    expect(new Set(rows.map((row) => row.split(',')[0])).size).toBe(SESSIONS);
    expect(rows[0]).toBe(
      's1,user1,2026-05-20T17:30:00.000+05:30,2026-05-20T17:31:30.000+05:30,ended,stopped,' +
        '1.5083333,1.5,0.025,1.5,0,0,2',
    );
  });

  it.each([
    ['day', 140, '2026-05-01,user0,0.0166667,0.0002778,0.0166667,0,0,1'],
    ['member', 7, 'user0,0.3333333,0.0055556,0.3333333,0,0,1'],
    [
      ...(['month', 7] as const),
      '2026-05-01T00:00:00.000+05:30,2026-06-01T00:00:00.000+05:30,user0,' +
        '0.3333333,0.0055556,0.25,0.0833333,0,1',
    ],
  ])('by %s has %i rows', async (by, count, first) => {
    const [, ...rows] = await report('many', `by=${by}&${MAY_LONG}`);
    expect(rows).toHaveLength(count);
    expect(rows[0]).toBe(first);
  });

  it('by session has the states of the API, of sessions that run too, and without the meter', async () => {
    await http.call('PUT', '/v1/orgs/lively', { name: 'L', plan: 'basic', anchorDay: 1 });
    await http.record('lively', 'ann', 'recording');
    await http.record('lively', 'bob', 'ending');
    const { startsAt } = (await ensurePeriod(http.db, 'lively', START))!;
    const period = sql`from_epoch_ms(${startsAt})`;
    await http.db.execute(sql`
      insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period, state,
        ended_at, reason, recorded_ms, settled_ms, overshoot_ms, generation)
      select 'lively', id, 'ann', from_epoch_ms(${START}), '2026-05-01', ${period}, ${period}, state,
        case when state <> 'live' then from_epoch_ms(${START}) end,
        case when state <> 'live' then 'stopped' end, 0, 0, 0, 0
      from (values ('recording', 'live'), ('ending', 'live'), ('away', 'live'), ('open', 'ended'),
        ('over', 'closed')) as s (id, state)`);
    // Ended a moment ago: the ledger does not know yet.
    const { epoch } = await http.session('lively', 'ending');
    const by = { owner: epoch, totalMs: 0, ageMs: 0 };
    const ending = { org: 'lively', session: 'ending', reason: 'stopped', by } as const;
    await http.meter.close({ ...ending, gatewayWallMs: http.now() });
    const states = async (call = http.call) => {
      const query = `by=session&${MAY_LONG}`;
      const { body } = await call('GET', `/v1/orgs/lively/usage/report?${query}`);
      const rows: string[][] = body.trim().split('\r\n').slice(1);
      return Object.fromEntries(rows.map((row) => `${row}`.split(',')).map((it) => [it[0], it[4]]));
    };
    const { body } = await http.call('GET', '/v1/orgs/lively/sessions');
    const ofList = Object.fromEntries(
      body.items.map((it: { session: string; state: string }) => [it.session, it.state]),
    );
    expect(ofList).toMatchObject({
      ...{ recording: 'recording', ending: 'ended', away: 'detached', over: 'ended' },
    });
    expect(await states()).toEqual(ofList);
    const lost = {
      ...http.deps.meter,
      liveSessions: () => Promise.reject(new Error('Redis is away')),
    };
    expect(await states(http.with({ meter: lost }))).toEqual({
      ...{ recording: 'detached', ending: 'detached', away: 'detached' },
      ...{ open: 'ended', over: 'ended' },
    });
  });

  it('is a file, with the range in its name', async () => {
    const path = `/v1/orgs/many/usage/report?by=day&${MAY_LONG}`;
    const { headers } = await http.call('GET', path);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(headers.get('content-disposition')).toBe(
      'attachment; filename="usage-many-by-day-2026-05-01-to-2026-05-31.csv"',
    );
  });

  it('of nothing is its header', async () => {
    for (const by of ['session', 'day', 'member', 'month']) {
      expect(await report('none', `by=${by}`)).toHaveLength(1);
    }
    expect(await report('many', 'by=session&from=2026-04-01&to=2026-05-19')).toHaveLength(1);
  });

  it('shows a ticket its own rows only, whatever it asks for', async () => {
    const as = await http.ticket('many', 'user3');
    for (const by of ['session', 'day', 'member', 'month']) {
      const rows = (await report('many', `by=${by}&${MAY_LONG}`, as)).slice(1);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toMatch(/(^|,)user3,/);
    }
    const path = '/v1/orgs/many/usage/report?user=user4';
    expect((await http.call('GET', path, undefined, { as })).status).toBe(403);
  });

  it('of a long time reads page by page: no row twice, none left out, few at a time', async () => {
    const range = {
      ...{ timeZone: 'Asia/Kolkata', anchorDay: 1, from: '2026-05-01', to: '2026-05-31' },
      ...{ startsAt: MAY, endsAt: MAY + 40 * 86_400_000 },
    };
    const expected: Record<ReportKind, number> = {
      session: SESSIONS,
      day: 140,
      member: 7,
      month: 7,
    };
    for (const [kind, count] of Object.entries(expected) as [ReportKind, number][]) {
      const seen = new Set<string>();
      let rows = 0;
      const db = http.deps.db.of('many');
      const nameOf = (row: ReportRow) => `${row.of}|${row.user}|${row.startsAt}`;
      for await (const page of reportPages(db, kind, { org: 'many', user: null, range }, 5)) {
        expect(page.length).toBeLessThanOrEqual(5);
        for (const row of page) seen.add(nameOf(row));
        rows += page.length;
        if (rows > count) break;
      }
      expect([kind, rows, seen.size]).toEqual([kind, count, count]);
    }
  });
});
