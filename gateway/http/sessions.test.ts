import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { extraMinutesPurchases, extraMinutesUsage } from '../../drizzle/schema/extra-minutes.ts';
import { sessions, usageTracking } from '../../drizzle/schema/sessions.ts';
import { MAY, START, startTestHttp, type TestHttp } from './test-http.ts';

const MINUTE_MS = 60_000;
const MONTH = '2026-05-01';
let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  for (const org of ['acme', 'other']) {
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
    await ensurePeriod(http.db, org, START);
  }
});
afterAll(() => http.stop());

type SessionValues = Partial<typeof sessions.$inferInsert>;

/** A session as the worker settled it: one minute of the plan, then 20 s of it from a lot. */
async function settle(id: string, more: SessionValues = {}) {
  const org = more.org ?? 'acme';
  await http.db.insert(sessions).values({
    ...{ org, id, user: 'ann', startedAt: START, startMonth: MONTH },
    ...{ firstPeriod: MAY, lastPeriod: MAY, state: 'closed', reason: 'limitReached' },
    ...{ endedAt: START + 90_000, recordedMs: 85_000, overshootMs: 5_000, settledMs: 80_000 },
    generation: 0,
    ...more,
  });
  const minute = { sessionMonth: MONTH, org, session: id, period: MAY, user: 'ann' };
  const none = { day: '2026-05-20', overageMs: 0, billableMs: 0, debtMs: 0 };
  await http.db.insert(usageTracking).values([
    { ...minute, ...none, minute: 0, ms: 60_000, planMs: 60_000, extraMs: 0 },
    { ...minute, ...none, minute: 1, ms: 20_000, planMs: 5_000, extraMs: 15_000 },
  ]);
  const lots = [`${id}-lot-a`, `${id}-lot-b`];
  for (const [index, purchase] of lots.entries()) {
    await http.db.insert(extraMinutesPurchases).values({
      ...{ id: purchase, org, grantedMs: MINUTE_MS, usedMs: 7_500 },
      ...{ purchasedAt: START + index, source: 'adjustment' },
    });
    const { sessionMonth, session, period } = minute;
    await http.db
      .insert(extraMinutesUsage)
      .values({ sessionMonth, org, session, period, minute: 1, purchase, ms: 7_500 });
  }
}

describe('one session', () => {
  it('that is settled shows every second by source and lot', async () => {
    await settle('receipt');
    const { status, body } = await http.call('GET', '/v1/sessions/receipt');
    expect(status).toBe(200);
    const at = (ms: number) => new Date(ms).toISOString();
    expect(body).toEqual({
      session: 'receipt',
      org: 'acme',
      user: 'ann',
      state: 'ended',
      startedAt: at(START),
      endedAt: at(START + 90_000),
      reason: 'limitReached',
      recordedMs: 85_000,
      overshootMs: 5_000,
      bySource: { planMs: 65_000, extraMs: 15_000, overageMs: 0 },
      settled: true,
      ...{ metadata: null, metadataProblem: null },
      minutes: [
        {
          ...{ index: 0, period: at(MAY), startsAt: at(START), ms: 60_000 },
          ...{ planMs: 60_000, extraMs: 0, overageMs: 0, lots: [] },
        },
        {
          ...{ index: 1, period: at(MAY), startsAt: at(START + MINUTE_MS), ms: 20_000 },
          ...{ planMs: 5_000, extraMs: 15_000, overageMs: 0 },
          lots: [
            { purchase: 'receipt-lot-a', ms: 7_500 },
            { purchase: 'receipt-lot-b', ms: 7_500 },
          ],
        },
      ],
    });
  });

  it('that records now is told by the meter, before the ledger knows of it', async () => {
    await http.record('acme', 'ann', 'live');
    await http.beat('acme', 'live', 0);
    const { body } = await http.call('GET', '/v1/sessions/live?org=acme');
    expect(body).toMatchObject({ state: 'recording', endedAt: null, settled: false, minutes: [] });
    expect((await http.call('GET', '/v1/sessions/live')).status).toBe(404);
    const ofMember = await http.call('GET', '/v1/sessions/live', undefined, {
      as: await http.ticket('acme', 'ann'),
    });
    expect(ofMember.body).toMatchObject({ session: 'live', state: 'recording' });
  });

  it('that is settled between a look at the ledger and one at the meter is as it ended', async () => {
    await http.call('PUT', '/v1/orgs/race', { name: 'Race', plan: 'basic' });
    await ensurePeriod(http.db, 'race', START);
    const live = { org: 'race', state: 'live', reason: null, endedAt: null } as const;
    await settle('race-known', { ...live });
    // What a worker does in that very moment: the ledger has all of it, the meter nothing.
    const call = http.with({
      meter: {
        ...http.meter,
        async readSession(org, session) {
          if (session === 'race-new') await settle(session, { org });
          await http.db.execute(sql`update sessions set state = 'closed', reason = 'stopped',
            ended_at = started_at + interval '90 s' where org = ${org} and id = ${session}`);
          return { status: 'unknown', now: http.now() };
        },
      },
    });
    for (const session of ['race-known', 'race-new']) {
      const { status, body } = await call('GET', `/v1/sessions/${session}?org=race`);
      expect([session, status, body.state, body.reason, body.settled]).toEqual([
        ...[session, 200, 'ended', 'stopped', true],
      ]);
      expect(body.minutes).toHaveLength(2);
    }
  });

  it('with an id that two organizations use is asked for by organization', async () => {
    await settle('twin', { org: 'acme' });
    await settle('twin-other', { org: 'other' });
    await http.db.insert(sessions).values({
      ...{ org: 'other', id: 'twin', user: 'eve', startedAt: START, startMonth: MONTH },
      ...{ firstPeriod: MAY, lastPeriod: MAY, generation: 0 },
    });
    expect((await http.call('GET', '/v1/sessions/twin')).status).toBe(422);
    expect((await http.call('GET', '/v1/sessions/twin?org=acme')).body.user).toBe('ann');
    expect((await http.call('GET', '/v1/sessions/twin?org=other')).body.user).toBe('eve');
    const scoped = await http.makeKey(['other']);
    const { body } = await http.call('GET', '/v1/sessions/twin', undefined, { as: scoped });
    expect(body.user).toBe('eve');
  });

  it('that is not there is 404', async () => {
    const { status, body } = await http.call('GET', '/v1/sessions/nothing');
    expect([status, body.code]).toEqual([404, 'sessionUnknown']);
  });
});

describe('the list of sessions', () => {
  it('shows live ones from the meter, newest first', async () => {
    await http.record('other', 'ann', 'list-1');
    await http.advance(1_000);
    await http.record('other', 'bob', 'list-2');
    await http.beat('other', 'list-1', 1_000);
    const { body } = await http.call('GET', '/v1/orgs/other/sessions?live=true');
    expect(body.items).toMatchObject([
      { session: 'list-2', user: 'bob', state: 'recording', recordedMs: 0 },
      { session: 'list-1', user: 'ann', state: 'recording', recordedMs: 1_000 },
    ]);
    const first = await http.call('GET', '/v1/orgs/other/sessions?live=true&limit=1');
    expect(first.body.items).toHaveLength(1);
    const next = `/v1/orgs/other/sessions?live=true&limit=1&cursor=${first.body.nextCursor}`;
    const second = await http.call('GET', next);
    expect(second.body).toMatchObject({ items: [{ session: 'list-1' }], nextCursor: null });
    const ofBob = await http.call('GET', '/v1/orgs/other/sessions?live=true&user=bob');
    expect(ofBob.body.items.map(({ session }: { session: string }) => session)).toEqual(['list-2']);
  });

  it('shows one that ended a moment ago as ended, before the ledger knows of it', async () => {
    await http.call('PUT', '/v1/orgs/just', { name: 'Just', plan: 'basic' });
    await ensurePeriod(http.db, 'just', START);
    await http.record('just', 'ann', 'just-1');
    await http.db.insert(sessions).values({
      ...{ org: 'just', id: 'just-1', user: 'ann', startedAt: http.now(), startMonth: MONTH },
      ...{ firstPeriod: MAY, lastPeriod: MAY, generation: 0 },
    });
    const { epoch } = await http.session('just', 'just-1');
    const by = { owner: epoch, totalMs: 0, ageMs: 0 };
    const end = { org: 'just', session: 'just-1', reason: 'stopped', by };
    await http.meter.close({ ...end, gatewayWallMs: http.now() });
    const { body } = await http.call('GET', '/v1/orgs/just/sessions');
    expect(body.items).toMatchObject([{ session: 'just-1', state: 'ended', reason: 'stopped' }]);
    const live = await http.call('GET', '/v1/orgs/just/sessions?live=true');
    expect(live.body.items).toEqual([]);
  });

  it('shows those that were, page by page, with what was charged by source', async () => {
    await http.call('PUT', '/v1/orgs/past', { name: 'Past', plan: 'basic' });
    await ensurePeriod(http.db, 'past', START);
    for (const [index, id] of ['past-1', 'past-2', 'past-3'].entries()) {
      await settle(id, { org: 'past', startedAt: START + index * MINUTE_MS });
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await http.call('GET', `/v1/orgs/past/sessions?limit=2${query}`);
      for (const item of body.items) {
        seen.push(item.session);
        expect(item.bySource).toEqual({ planMs: 65_000, extraMs: 15_000, overageMs: 0 });
      }
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(['past-3', 'past-2', 'past-1']);
  });
});

describe('an operator’s stop', () => {
  it('stops a live session, once, however often it is asked', async () => {
    await http.record('acme', 'ann', 'stop-me');
    const stop = () =>
      http.call('POST', '/v1/sessions/stop-me/stop?org=acme', undefined, {
        headers: { 'idempotency-key': 'stop' },
      });
    const answers = await Promise.all(Array.from({ length: 20 }, stop));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers[0]!.body).toMatchObject({ session: 'stop-me', state: 'recording' });
    expect(await http.session('acme', 'stop-me')).toMatchObject({ stoppedBy: 'session' });
    const log = await http.call('GET', '/v1/orgs/acme/audit?limit=200');
    const stops = log.body.items.filter(
      ({ action }: { action: string }) => action === 'session.stop',
    );
    expect(stops).toHaveLength(1);
  });

  it('of a session that has ended is 409, of one that never was 404', async () => {
    const ended = await http.call('POST', '/v1/sessions/receipt/stop');
    expect([ended.status, ended.body.code]).toEqual([409, 'sessionEnded']);
    expect(ended.body.detail).toContain('limitReached');
    const unknown = await http.call('POST', '/v1/sessions/nothing/stop');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'sessionUnknown']);
  });
});
