/** Billing periods by the API: the list, and closing the running one by hand. */
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { organizationBudget } from '../../core/meter/budget-name.ts';
import { MeterUnreachable } from '../../core/meter/servers.ts';
import { carryOutReset } from '../../drizzle/queries/carry-out-reset.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { auditLog, meterOutbox } from '../../drizzle/schema/operations.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { JUNE, MAY, START, startTestHttp, type TestHttp } from './test-http.ts';

const JULY = Date.UTC(2026, 6, 1);
const http: TestHttp = await startTestHttp();
afterAll(() => http.stop());

const iso = (at: number) => new Date(at).toISOString();
let org = '';
let count = 0;
beforeEach(async () => {
  count += 1;
  org = `org-${count}`;
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
});

const reset = (headers: Record<string, string> = {}, reason = 'a new contract') =>
  http.call('POST', `/v1/orgs/${org}/periods/reset`, { reason }, { headers });
const list = (query = '') => http.call('GET', `/v1/orgs/${org}/periods${query}`);
const spans = async () =>
  (await list()).body.items.map((it: Record<string, string>) => [it.startsAt, it.endsAt, it.state]);

async function used(period: number): Promise<number> {
  const reply = await http.meter.readBudgets(org, [organizationBudget(org, period)]);
  return reply.status === 'ok' ? reply.budgets[0]!.usedMs : -1;
}

describe('the list of periods', () => {
  it('has what is past, present and made ahead, the newest first, page by page', async () => {
    for (const at of [MAY - 1, START, JUNE]) await ensurePeriod(http.db, org, at);
    const { body } = await list();
    expect(body.items.map((it: { state: string }) => it.state)).toEqual([
      ...['ahead', 'present', 'past'],
    ]);
    expect(body.items[1]).toEqual({
      ...{ startsAt: iso(MAY), endsAt: iso(JUNE), state: 'present', closedBy: 'calendar' },
      ...{ quotaMs: 3_600_000, adjustedMs: 0, usedMs: 0, billableMs: 0, debtMs: 0 },
      ...{ bySource: { planMs: 0, extraMs: 0, overageMs: 0 }, settledAt: null },
    });
    const first = (await list('?limit=2')).body;
    const rest = (await list(`?limit=2&cursor=${first.nextCursor}`)).body;
    expect([...first.items, ...rest.items]).toEqual(body.items);
    expect(rest.nextCursor).toBeNull();
  });

  it('makes the present one where nobody has needed it yet; 404 for who is not there', async () => {
    expect(await spans()).toEqual([[iso(MAY), iso(JUNE), 'present']]);
    expect((await http.call('GET', '/v1/orgs/nobody/periods')).status).toBe(404);
  });
});

describe('a reset', () => {
  it('splits who records at its very instant, gives a fresh quota, and keeps extra minutes', async () => {
    const gift = { minutes: 7, kind: 'extra', reason: 'test' };
    await http.call('POST', `/v1/orgs/${org}/adjustments`, gift);
    await http.record(org, 'ann', 's1');
    await http.advance(10_000);
    await http.beat(org, 's1', 10_000);
    await http.advance(1_234);
    const at = http.now();
    const answer = await reset();
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      ...{ reset: expect.any(String), org, reason: 'a new contract', state: 'done' },
      closed: { startsAt: iso(MAY), endsAt: iso(at) },
      period: { startsAt: iso(at), endsAt: iso(JUNE) },
    });
    await http.advance(766);
    await http.beat(org, 's1', 12_000);
    expect([await used(MAY), await used(at)]).toEqual([11_234, 766]);
    const usage = (await http.call('GET', `/v1/orgs/${org}/usage`)).body;
    expect(usage).toMatchObject({
      ...{ usedMs: 766, remainingMs: 3_600_000 + 7 * 60_000 - 766, extraRemainingMs: 7 * 60_000 },
      period: { startsAt: iso(at), endsAt: iso(JUNE) },
    });
    expect(await spans()).toEqual([
      [iso(at), iso(JUNE), 'present'],
      [iso(MAY), iso(at), 'past'],
    ]);
    expect((await list()).body.items[1].closedBy).toBe('reset');
    const entries = await http.db.select().from(auditLog).where(eq(auditLog.org, org));
    expect(entries.filter((it) => it.action === 'period.reset')).toMatchObject([
      { actor: 'key:dev-key', detail: { reason: 'a new contract', closed: { endsAt: at } } },
    ]);
  });

  it('lets somebody in at once who was refused at the limit', async () => {
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic', minutes: 0.1 });
    await http.record(org, 'ann', 's1');
    await http.advance(6_000);
    await http.beat(org, 's1', 6_000);
    expect(await http.record(org, 'ann', 's2')).toMatchObject({ status: 'limitReached' });
    await http.advance(1);
    await reset();
    // This gateway, like any, may still think that the old period runs.
    const opened = await http.record(org, 'bob', 's2');
    expect(opened).toMatchObject({ status: 'unseeded' });
    const { body } = await http.call('POST', `/v1/orgs/${org}/check`, { user: 'bob' });
    expect(body).toMatchObject({ allowed: true, reading: { usedMs: 0, limitMs: 6_000 } });
  });

  it('goes on by the anchor, of a new calendar too, and leaves what was made ahead', async () => {
    await ensurePeriod(http.db, org, JUNE);
    await http.advance(1_000);
    await reset();
    const [ahead, present] = await spans();
    expect([ahead[0], ahead[1], present[1]]).toEqual([iso(JUNE), iso(JULY), iso(JUNE)]);
    org = `${org}-b`;
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
    await list();
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic', anchorDay: 25 });
    await http.advance(1_000);
    const { body } = await reset();
    expect(body.period.endsAt).toBe(iso(Date.UTC(2026, 4, 25)));
  });

  it('is done once under one key, however often and how many at once', async () => {
    const headers = { 'idempotency-key': `once-${org}` };
    await list();
    await http.advance(5_000);
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => reset(headers)));
    await http.advance(1_000);
    answers.push(await reset(headers));
    for (const answer of answers) {
      expect([answer.status, answer.body]).toEqual([201, answers[0]!.body]);
    }
    expect(await spans()).toHaveLength(2);
    expect((await reset(headers, 'another')).status).toBe(409);
    // The first answer stands, whatever became of that period since.
    await reset({});
    expect((await reset(headers)).body).toEqual(answers[0]!.body);
  });

  it('at the instant at which the period began closes nothing', async () => {
    await list();
    await http.advance(5_000);
    const first = await reset();
    const second = await reset();
    expect(second.body).toMatchObject({ state: 'done', closed: null, period: first.body.period });
    expect(await spans()).toHaveLength(2);
  });

  it('waits while the meter is away, is carried out by whoever comes, and not twice', async () => {
    await list();
    await http.advance(5_000);
    const away = http.with({
      meter: {
        ...http.meter,
        cut: () => Promise.reject(new MeterUnreachable('away')),
      },
    });
    const headers = { 'idempotency-key': `away-${org}` };
    const path = `/v1/orgs/${org}/periods/reset`;
    const waiting = await away('POST', path, { reason: 'now' }, { headers });
    expect([waiting.status, waiting.body.state]).toEqual([202, 'waiting']);
    expect(await spans()).toHaveLength(1);
    const words = await http.db.select().from(meterOutbox).where(eq(meterOutbox.org, org));
    expect(words.length).toBeGreaterThan(0);
    await http.advance(5_000);
    const at = http.now();
    const { reset: id } = waiting.body;
    await Promise.all([1, 2, 3].map(() => carryOutReset(http.db, http.meter, id)));
    const noted = await http.db.select().from(auditLog).where(eq(auditLog.org, org));
    expect(noted.filter((it) => it.action === 'period.reset')).toHaveLength(1);
    await http.advance(5_000);
    const again = await http.call('POST', path, { reason: 'now' }, { headers });
    expect(again.body).toMatchObject({ state: 'done', period: { startsAt: iso(at) } });
    expect(await spans()).toHaveLength(2);
  });

  it('cut short after the meter was told ends at the instant that the meter named', async () => {
    await http.record(org, 'ann', 's1');
    await http.advance(5_000);
    await http.meter.cut(org, MAY);
    const at = http.now();
    await http.advance(3_000);
    await http.beat(org, 's1', 8_000);
    await reset();
    expect(await spans()).toEqual([
      [iso(at), iso(JUNE), 'present'],
      [iso(MAY), iso(at), 'past'],
    ]);
    await http.beat(org, 's1', 8_000);
    expect([await used(MAY), await used(at)]).toEqual([5_000, 3_000]);
  });

  it('needs a reason and a key that sees the organization; 404 for who is not there', async () => {
    const path = `/v1/orgs/${org}/periods/reset`;
    expect((await http.call('POST', path, {})).status).toBe(422);
    const ticket = await http.ticket(org, 'ann');
    expect((await http.call('POST', path, { reason: 'x' }, { as: ticket })).status).toBe(403);
    const unknown = '/v1/orgs/nobody/periods/reset';
    expect((await http.call('POST', unknown, { reason: 'x' })).status).toBe(404);
  });
});

it('the database lets no period grow, move or overlap', async () => {
  await ensurePeriod(http.db, org, START);
  await ensurePeriod(http.db, org, JUNE);
  const change = (set: string) =>
    http.db.execute(sql.raw(`update billing_periods set ${set} where org = '${org}'`));
  await expect(change(`ends_at = ends_at + interval '1 ms'`)).rejects.toThrow();
  await expect(change(`starts_at = starts_at + interval '1 ms'`)).rejects.toThrow();
  const row = (await http.db.select().from(billingPeriods).where(eq(billingPeriods.org, org)))[0]!;
  const startsAt = row.startsAt + 1_000;
  await expect(
    http.db.insert(billingPeriods).values({ ...row, startsAt, endsAt: row.endsAt - 1_000 }),
  ).rejects.toThrow();
});
