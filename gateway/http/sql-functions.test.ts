/** The functions for plain SQL (docs/sql.md) against the API's answers, on the same ledger. */
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JUNE, MAY, START, startTestHttp, type TestHttp } from './test-http.ts';

const APRIL = Date.UTC(2026, 3, 1);
const MINUTE_MS = 60_000;
/** What the worker last wrote, in meter time. */
const SETTLED = START - 3_000;

let http: TestHttp;
const iso = (at: number) => new Date(at).toISOString();

// biome-ignore lint/suspicious/noExplicitAny: columns are what the tests look into
const rows = (call: ReturnType<typeof sql>): Promise<any[]> =>
  http.db.execute(sql`select * from ${call}`) as never;

/** A closed session as the worker writes it: minutes, their sums, its own row. */
async function settled(
  org: string,
  user: string,
  session: string,
  { period, startedAt, plan, extra = 0 }: Record<string, number> & { period: number },
): Promise<void> {
  const total = plan! + extra;
  const month = `${iso(startedAt!).slice(0, 7)}-01`;
  const whole = Math.floor(total / MINUTE_MS);
  await http.db.execute(sql`
    insert into billing_periods (org, starts_at, ends_at, quota_ms, mode, version)
    select id, from_epoch_ms(${period}), from_epoch_ms(${period}) + interval '1 month', 3600000, 0,
      limit_version from organizations where id = ${org} on conflict do nothing`);
  await http.db.execute(sql`
    insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period, state,
      ended_at, recorded_ms, settled_ms, generation)
    values (${org}, ${session}, ${user}, from_epoch_ms(${startedAt}), ${month}::date,
      from_epoch_ms(${period}), from_epoch_ms(${period}), 'closed',
      from_epoch_ms(${startedAt! + total}), ${total}, ${total}, 0)`);
  await http.db.execute(sql`
    insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms, plan_ms,
      extra_ms, overage_ms, billable_ms, debt_ms)
    select ${month}::date, ${org}, ${session}, m, from_epoch_ms(${period}), ${user}, ${iso(startedAt!)}::date,
      ms, least(ms, greatest(0, ${plan}::bigint - m * 60000)),
      ms - least(ms, greatest(0, ${plan}::bigint - m * 60000)), 0, 0, 0
    from (select m, case when m = ${whole}::integer then ${total % MINUTE_MS}::integer else 60000 end as ms
      from generate_series(0, ${whole}::integer) m) t where ms > 0`);
  await http.db.execute(sql`
    update billing_periods set used_ms = used_ms + ${total}, plan_ms = plan_ms + ${plan},
      extra_ms = extra_ms + ${extra}, settled_at = from_epoch_ms(${SETTLED})
    where org = ${org} and starts_at = from_epoch_ms(${period})`);
  await http.db.execute(sql`
    update organizations set drawn_ms = drawn_ms + ${extra} where id = ${org}`);
  await http.db.execute(sql`
    insert into monthly_usage_cache as c (org, user_id, period, used_ms, plan_ms, extra_ms, minutes)
    values (${org}, ${user}, from_epoch_ms(${period}), ${total}, ${plan}, ${extra},
      ${Math.ceil(total / MINUTE_MS)})
    on conflict (org, user_id, period) do update set used_ms = c.used_ms + excluded.used_ms,
      plan_ms = c.plan_ms + excluded.plan_ms, extra_ms = c.extra_ms + excluded.extra_ms,
      minutes = c.minutes + excluded.minutes`);
}

beforeAll(async () => {
  http = await startTestHttp();
  await http.db.execute(sql`
    update meter_clock set meter_base_at = from_epoch_ms(${START}), frozen = true`);
  const plan = { name: 'Basic', minutes: 60, concurrentSessions: 2 };
  await http.call('PUT', '/v1/plans/basic', plan);
  for (const org of ['acme', 'globex']) {
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
  }
  const at = START - 3_600_000;
  await settled('acme', 'ann', 'a0', { period: APRIL, startedAt: APRIL + 5_000, plan: 95_000 });
  await settled('acme', 'ann', 'a1', { period: MAY, startedAt: at, plan: 15 * MINUTE_MS });
  await settled('acme', 'bob', 'b1', {
    ...{ period: MAY, startedAt: at + 1_000, plan: 45 * MINUTE_MS, extra: 90_500 },
  });
  // The meter is told of a ledger that has its minutes already, as after a restart.
  for (const org of ['acme', 'globex']) {
    await http.call('PUT', `/v1/orgs/${org}/members/ann`, { minutes: 20 });
    await http.call('PUT', `/v1/orgs/${org}/members/bob`, {});
  }
  const gift = { minutes: 30, kind: 'extra', reason: 'test' };
  await http.call('POST', '/v1/orgs/acme/adjustments', gift);
});
afterAll(() => http?.stop());

describe('check_usage_limit', () => {
  it('says what the check and the usage of the API say, and as of when it stands', async () => {
    for (const user of ['ann', 'bob']) {
      const [row] = await rows(sql`check_usage_limit(${user}, 'acme')`);
      const { body } = await http.call('POST', '/v1/orgs/acme/check', { user });
      expect(row.allowed).toBe(body.allowed);
      expect(row.reason).toBe(body.reason);
      expect(row.binding).toBe(body.binding);
      expect(row.used_ms).toBe(body.reading.usedMs);
      expect(row.limit_ms).toBe(body.reading.limitMs);
      expect(row.remaining_ms).toBe(body.reading.remainingMs);
      expect(row.extra_remaining_ms).toBe(body.reading.extraRemainingMs);
      expect(row.plan).toBe('basic');
      expect([+new Date(row.period_starts_at), +new Date(row.period_ends_at)]).toEqual([MAY, JUNE]);
      expect(+new Date(row.as_of)).toBe(SETTLED);
    }
    const [ann] = await rows(sql`check_usage_limit('ann', 'acme')`);
    expect([ann.binding, ann.remaining_ms]).toEqual(['member', 5 * MINUTE_MS]);
    const [bob] = await rows(sql`check_usage_limit('bob', 'acme')`);
    expect([bob.binding, bob.remaining_ms]).toEqual(['organization', 30 * MINUTE_MS - 90_500]);
  });

  it('names a limit that is reached, and a suspension, as the API does', async () => {
    const put = (more: object) =>
      http.call('PUT', '/v1/orgs/acme', { name: 'acme', plan: 'basic', ...more });
    await http.call('PUT', '/v1/orgs/acme/members/ann', { minutes: 15 });
    const checked = async () => {
      const [row] = await rows(sql`check_usage_limit('ann', 'acme')`);
      const { body } = await http.call('POST', '/v1/orgs/acme/check', { user: 'ann' });
      const { allowed, reason, binding } = body;
      expect({ ...row }).toMatchObject({ allowed, reason, binding });
      return reason;
    };
    expect(await checked()).toBe('limitReached');
    await put({ suspended: true });
    expect(await checked()).toBe('organizationSuspended');
    await put({});
    await http.call('PUT', '/v1/orgs/acme/members/ann', { minutes: 20 });
    expect(await checked()).toBeNull();
  });

  it('has no row for an organization that is not there', async () => {
    expect(await rows(sql`check_usage_limit('ann', 'nobody')`)).toEqual([]);
  });
});

it('get_usage_details sums up to what the API says of the period, and to each session', async () => {
  const all = await rows(
    sql`get_usage_details(null, 'acme', from_epoch_ms(${MAY}), from_epoch_ms(${JUNE}))`,
  );
  const { body } = await http.call('GET', '/v1/orgs/acme/usage');
  const sum = (name: string) => all.reduce((total, row) => total + row[name], 0);
  expect(sum('used_ms')).toBe(body.usedMs);
  expect(sum('plan_ms')).toBe(body.bySource.planMs);
  expect(sum('extra_ms')).toBe(body.bySource.extraMs);
  expect(sum('overage_ms')).toBe(body.bySource.overageMs);
  expect(all.map((row) => row.session)).toEqual(['a1', 'b1']);
  for (const row of all) {
    const session = (await http.call('GET', `/v1/sessions/${row.session}?org=acme`)).body;
    expect(row.used_ms).toBe(session.recordedMs - session.overshootMs);
    expect(row.minutes).toBe(session.minutes.length);
    expect(row.plan_ms).toBe(session.bySource.planMs);
  }
  const own = await rows(
    sql`get_usage_details('ann', 'acme', '2026-04-01T00:00:00Z', '2026-05-01T00:00:00Z')`,
  );
  expect(own.map((row) => [row.session, row.used_ms, row.minutes])).toEqual([['a0', 95_000, 2]]);
});

it('calculate_usage_stats has a row a period, newest first, as the API says', async () => {
  const [present, april] = await rows(sql`calculate_usage_stats('ann', 3)`);
  const { body } = await http.call('GET', '/v1/orgs/acme/usage?user=ann');
  expect(present).toMatchObject({ org: 'acme', used_ms: body.usedMs, sessions: body.sessions });
  expect(april).toMatchObject({ used_ms: 95_000, minutes: 2, average_session_ms: 95_000 });
  expect(await rows(sql`calculate_usage_stats('ann', 0)`)).toHaveLength(1);
});

it('get_user_plan_limits names the most restrictive limit of each organization', async () => {
  const limits = await rows(sql`get_user_plan_limits('ann')`);
  expect(limits.map((row) => row.org)).toEqual(['acme', 'globex']);
  const { body } = await http.call('GET', '/v1/orgs/acme/members/ann');
  expect(limits[0]).toMatchObject({
    ...{ plan: 'basic', quota_ms: 60 * MINUTE_MS, member_quota_ms: body.minutes * MINUTE_MS },
    ...{ limit_ms: 20 * MINUTE_MS, binding: 'member', concurrent_sessions: 2, suspended: false },
  });
  expect((await rows(sql`get_user_plan_limits('bob')`))[0]).toMatchObject({
    ...{ limit_ms: 60 * MINUTE_MS, binding: 'organization' },
  });
});

it('check_concurrent_processing_limit counts the sessions that the ledger has as running', async () => {
  const look = async () => (await rows(sql`check_concurrent_processing_limit('bob')`))[0];
  expect(await look()).toMatchObject({ allowed: true, live_sessions: 0, user_live_sessions: 0 });
  for (const [user, session] of [
    ['ann', 'l1'],
    ['bob', 'l2'],
  ] as const) {
    await http.record('acme', user, session);
    await http.db.execute(sql`
      insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period,
        generation)
      values ('acme', ${session}, ${user}, from_epoch_ms(${START}), '2026-05-01',
        from_epoch_ms(${MAY}), from_epoch_ms(${MAY}), 0)`);
  }
  expect(await look()).toMatchObject({ allowed: false, live_sessions: 2, user_live_sessions: 1 });
  const { body } = await http.call('POST', '/v1/orgs/acme/check', { user: 'bob' });
  expect(body).toMatchObject({ allowed: false, reason: 'concurrencyLimit' });
});

it('shows each caller its own rows only: they run with the caller’s rights', async () => {
  const { deps } = http;
  const seen = async (org: string | null, call: ReturnType<typeof sql>) => {
    const db = org === null ? deps.db.all : deps.db.of(org);
    return (await db.execute(sql`select * from ${call}`)).length;
  };
  expect(await seen('acme', sql`check_usage_limit('ann', 'acme')`)).toBe(1);
  expect(await seen('globex', sql`check_usage_limit('ann', 'acme')`)).toBe(0);
  expect(
    await seen('globex', sql`get_usage_details(null, 'acme', '2026-01-01', '2027-01-01')`),
  ).toBe(0);
  expect(await seen('globex', sql`calculate_usage_stats('ann', 12)`)).toBe(0);
  expect(await seen('globex', sql`get_user_plan_limits('ann')`)).toBe(1);
  expect(await seen(null, sql`get_user_plan_limits('ann')`)).toBe(2);
  expect(await seen('globex', sql`check_concurrent_processing_limit('ann')`)).toBe(1);
  const definers = await http.db.execute(sql`
    select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef
      and proname <> 'make_usage_partitions' and proname not like '%api_key%'`);
  expect(definers).toHaveLength(0);
});
