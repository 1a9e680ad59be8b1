/** Sessions without a socket: admission, totals from any gateway, limits, ends. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadLimits } from '../../../drizzle/queries/load-limits.ts';
import { saveShadow } from '../../../drizzle/queries/save-shadow.ts';
import { sessions } from '../../../drizzle/schema/sessions.ts';
import { createShadowBook } from '../../shadow/book.ts';
import { MAY, startTestHttp, type TestHttp } from '../test-http.ts';
import { MAX_FILE_MS } from './total.ts';

let http: TestHttp;
let other: TestHttp['call'];
let org = '';
let round = 0;
beforeAll(async () => {
  http = await startTestHttp();
  // A second gateway on the same stores.
  other = http.with({});
});
afterAll(() => http?.stop());

async function plan(values: object): Promise<void> {
  await http.call('PUT', `/v1/plans/${org}`, { name: org, ...values });
}
beforeEach(async () => {
  round += 1;
  org = `org-${round}`;
  await plan({ minutes: 60 });
  await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: org });
});

const start = (body: object = {}) =>
  http.call('POST', `/v1/orgs/${org}/sessions`, { user: 'ann', ...body });
const tell = (session: string, totalMs: number, call = http.call) =>
  call('POST', `/v1/orgs/${org}/minutes`, { session, totalMs });
const end = (session: string, totalMs?: number) =>
  http.call('POST', `/v1/sessions/${session}/end?org=${org}`, { totalMs });
const used = async () => (await http.call('GET', `/v1/orgs/${org}/usage`)).body.usedMs as number;

describe('a session without a socket', () => {
  it('is started, told of by totals, and ended', async () => {
    const made = await start({ session: 'upload' });
    expect(made).toMatchObject({ status: 201, body: { totalMs: 0, stop: false, user: 'ann' } });
    await http.advance(90_000);
    const told = await tell('upload', 80_000);
    expect(told).toMatchObject({
      ...{ status: 200, body: { totalMs: 80_000, chargedMs: 80_000, stop: false } },
    });
    expect(told.body.reading).toMatchObject({ usedMs: 80_000, sessionMs: 80_000 });
    expect(await end('upload', 85_000)).toMatchObject({
      ...{ status: 200, body: { state: 'ended', chargedMs: 85_000, reason: 'stopped' } },
    });
    expect(await end('upload')).toMatchObject({ status: 200, body: { chargedMs: 85_000 } });
    expect(await used()).toBe(85_000);
    expect((await start({ session: 'upload' })).body.code).toBe('sessionEnded');
  });

  it('is the same session however often its start is repeated, at whichever gateway', async () => {
    const body = { user: 'ann', session: 'same' };
    const path = `/v1/orgs/${org}/sessions`;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 ? other : http.call)('POST', path, body)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 201]);
    const eve = await http.call('POST', path, { user: 'eve', session: 'same' });
    expect(eve.body.code).toBe('sessionUnknown');
  });

  it('takes a place, is counted for its day, and is refused as a recorder is', async () => {
    await plan({ minutes: 60, concurrentSessions: 1, sessionsPerDay: 2, maxFileBytes: 10 });
    const first = (await start()).body.session;
    const full = await start();
    expect(full).toMatchObject({ status: 429, body: { code: 'concurrencyLimit' } });
    await end(first);
    await end((await start()).body.session);
    expect(await start()).toMatchObject({ status: 402, body: { code: 'limitReached' } });
    expect((await start()).body.actions).toContainEqual(expect.objectContaining({ type: 'wait' }));
    expect(await start({ bytes: 11 })).toMatchObject({
      status: 402,
      body: { code: 'fileTooLarge' },
    });
    expect((await start({ feature: 'video' })).body.code).toBe('featureNotAllowed');
    expect((await start({ plannedMs: 61 * 60_000 })).body.code).toBe('plannedTooLong');
  });

  it('is refused a feature that its member may not use, as a check is', async () => {
    await plan({ features: { video: true } });
    await http.call('PUT', `/v1/orgs/${org}/members/ann`, { features: { video: false } });
    const { status, body } = await start({ feature: 'video' });
    expect([status, body.code, body.scope]).toEqual([403, 'featureNotAllowed', 'member']);
    expect(body.actions).toEqual([{ type: 'askAdmin' }]);
    expect((await start({ user: 'bob', feature: 'video' })).status).toBe(201);
  });

  it('that shadow mode alone lets in is written down', async () => {
    const book = createShadowBook({
      limits: (of, user) => loadLimits(http.deps.db.of(of), of, user),
      liveSessions: http.meter.liveSessions,
      save: (decision) => saveShadow(http.deps.db.of(decision.org), decision),
      log: http.deps.log,
    });
    const call = http.with({ admitted: book.admitted, shadowed: book.decided });
    await plan({ minutes: 60, enforcement: 'shadow' });
    const body = { user: 'ann', session: 'long', plannedMs: 61 * 60_000 };
    expect((await call('POST', `/v1/orgs/${org}/sessions`, body)).status).toBe(201);
    await expect
      .poll(async () => (await http.call('GET', `/v1/orgs/${org}/shadow`)).body.items)
      .toMatchObject([{ what: 'refused', reason: 'plannedTooLong', session: 'long', user: 'ann' }]);
    await plan({ minutes: 60, enforcement: 'shadow', maxFileBytes: 10 });
    const file = { user: 'ann', session: 'file', plannedMs: 61 * 60_000, bytes: 11 };
    expect((await call('POST', `/v1/orgs/${org}/sessions`, file)).status).toBe(201);
    const video = { user: 'ann', session: 'video', feature: 'video' };
    expect((await call('POST', `/v1/orgs/${org}/sessions`, video)).status).toBe(201);
    // Each once, by what an enforced plan would have said first.
    await expect
      .poll(async () => (await http.call('GET', `/v1/orgs/${org}/shadow`)).body.items)
      .toMatchObject([
        { reason: 'featureNotAllowed', session: 'video', feature: 'video', binding: 'feature' },
        { reason: 'fileTooLarge', session: 'file', unit: 'bytes', allowed: 10, wanted: 11 },
        { reason: 'plannedTooLong', session: 'long', feature: null },
      ]);
    await book.stop();
  });

  it('is foreseen by a check: places, days, a member’s own, the planned length', async () => {
    const check = async (body: object = {}) =>
      (await http.call('POST', `/v1/orgs/${org}/check`, { user: 'ann', ...body })).body;
    await plan({ minutes: 60, concurrentSessions: 2, sessionsPerDay: 3 });
    const member = `/v1/orgs/${org}/members/ann`;
    await http.call('PUT', member, { concurrentSessions: 1, sessionsPerDay: 2 });
    expect(await check({ plannedMs: 60 * 60_000 })).toMatchObject({ allowed: true });
    expect(await check({ plannedMs: 61 * 60_000 })).toMatchObject({ reason: 'plannedTooLong' });
    const { session } = (await start()).body;
    const full = { allowed: false, reason: 'concurrencyLimit', binding: 'concurrency' };
    expect(await check()).toMatchObject(full);
    expect(await check({ user: 'ben' })).toMatchObject({ allowed: true });
    await plan({ minutes: 60, concurrentSessions: 1, sessionsPerDay: 3 });
    expect(await check({ user: 'ben' })).toMatchObject(full);
    await plan({ minutes: 60, concurrentSessions: 2, sessionsPerDay: 3 });
    await end(session);
    expect(await check()).toMatchObject({ allowed: true });
    await end((await start()).body.session);
    expect(await check()).toMatchObject({ allowed: false, reason: 'limitReached', binding: 'day' });
    expect(await check({ user: 'ben' })).toMatchObject({ allowed: true });
    await start({ user: 'ben' });
    expect(await check({ user: 'eve' })).toMatchObject({ allowed: false, binding: 'day' });
    const { actions } = await check();
    expect(actions).toContainEqual({ type: 'wait', until: '2026-05-21T00:00:00.000Z' });
    await plan({ minutes: 60, concurrentSessions: 2, sessionsPerDay: 3, enforcement: 'shadow' });
    expect(await check({ user: 'eve' })).toMatchObject({ allowed: true, reason: 'limitReached' });
  });

  it('is not longer than the time since it began, unless it is a file', async () => {
    await start({ session: 'live' });
    await http.advance(10_000);
    const beyond = await tell('live', 10_001);
    expect(beyond).toMatchObject({ status: 422, body: { code: 'totalBeyondTime' } });
    expect((await tell('live', 10_000)).status).toBe(200);
    expect(await used()).toBe(10_000);
    await start({ session: 'file', minutesOf: 'file' });
    expect((await tell('file', 30 * 60_000)).body).toMatchObject({ chargedMs: 30 * 60_000 });
    // It is not taken for one that runs, in what is foreseen.
    expect((await tell('file', 30 * 60_000)).body.reading.burnRate).toBe(1);
  });

  it('of a file is a week at most, however much there is to use', async () => {
    await http.call('PUT', `/v1/plans/${org}-all`, { name: 'All', minutes: null });
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: `${org}-all` });
    await start({ session: 'file', minutesOf: 'file' });
    for (const beyondMs of [MAX_FILE_MS + 1, Number.MAX_SAFE_INTEGER]) {
      const beyond = await tell('file', beyondMs);
      expect(beyond).toMatchObject({ status: 422, body: { code: 'totalBeyondTime' } });
      expect(await end('file', beyondMs)).toMatchObject({ status: 422 });
    }
    expect(await used()).toBe(0);
    expect((await tell('file', MAX_FILE_MS)).body).toMatchObject({ chargedMs: MAX_FILE_MS });
  });

  it('is told at the limit, charged up to it, and ended', async () => {
    await start({ session: 'file', minutesOf: 'file' });
    const told = await tell('file', 70 * 60_000);
    expect(told.body).toMatchObject({
      ...{ stop: true, reason: 'limitReached', state: 'ended' },
      ...{ chargedMs: 60 * 60_000, overshootMs: 10 * 60_000 },
    });
    expect(told.body.actions.length).toBeGreaterThan(0);
    expect(await used()).toBe(60 * 60_000);
  });

  it('goes on after the meter lost it', async () => {
    await start({ session: 'file', minutesOf: 'file' });
    await tell('file', 60_000);
    await http.resetMeter(org);
    expect((await tell('file', 90_000)).body).toMatchObject({ totalMs: 90_000, chargedMs: 90_000 });
  });

  it('is ended without a word of whose it is, and again after the ledger has all of it', async () => {
    const path = `/v1/sessions/own-${org}/end`;
    await start({ session: `own-${org}`, minutesOf: 'file' });
    const { status, body } = await http.call('POST', path, { totalMs: 85_000 });
    expect(status).toBe(200);
    const row = await http.session(org, `own-${org}`);
    // As the worker settles it: then the meter has it no more.
    await http.db.insert(sessions).values({
      ...{ org, id: row.session, user: 'ann', startedAt: row.startedAt, startMonth: '2026-05-01' },
      ...{ firstPeriod: MAY, lastPeriod: MAY, state: 'closed', reason: row.reason, generation: 0 },
      ...{ endedAt: row.endedAt, recordedMs: 85_000, settledMs: 85_000 },
    });
    await http.resetMeter(org);
    for (const headers of [{}, { 'idempotency-key': `end-${org}` }]) {
      const again = await http.call('POST', path, { totalMs: 85_000 }, { headers });
      expect([again.status, again.body.reason]).toEqual([200, 'stopped']);
      expect({ ...again.body, reading: null }).toEqual({ ...body, reading: null });
    }
    const more = await http.call('POST', path, { totalMs: 85_001 });
    expect([more.status, more.body.code]).toEqual([409, 'sessionEnded']);
  });

  it('and a session of a socket are not mixed up', async () => {
    await http.record(org, 'ann', 'socket');
    expect(await tell('socket', 1)).toMatchObject({
      status: 409,
      body: { code: 'sessionHasSocket' },
    });
    expect((await start({ session: 'socket' })).body.code).toBe('sessionHasSocket');
    expect((await end('socket')).body.code).toBe('sessionHasSocket');
    expect((await http.session(org, 'socket')).epoch.counter).toBe(1);
    expect((await tell('nobody', 1)).body.code).toBe('sessionUnknown');
    const ticket = await http.ticket(org, 'ann');
    const byTicket = await http.call('POST', `/v1/orgs/${org}/minutes`, {}, { as: ticket });
    expect([403, 422]).toContain(byTicket.status);
  });

  it('counts once whatever is repeated, reordered and told at two gateways at once', async () => {
    await plan({ minutes: null });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ totalMs: fc.nat(600_000), at: fc.boolean(), alone: fc.boolean() }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (words) => {
          const { session } = (await start({ minutesOf: 'file' })).body;
          const before = await used();
          let going: Promise<unknown>[] = [];
          for (const { totalMs, at, alone } of words) {
            going.push(tell(session, totalMs, at ? http.call : other));
            if (!alone) continue;
            await Promise.all(going);
            going = [];
          }
          await Promise.all(going);
          const most = Math.max(...words.map(({ totalMs }) => totalMs));
          expect((await end(session)).body).toMatchObject({ chargedMs: most, totalMs: most });
          expect((await used()) - before).toBe(most);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('a session’s own longest length', () => {
  const extend = (session: string, maxSessionMinutes: number | null) =>
    http.call('POST', `/v1/sessions/${session}/extend?org=${org}`, { maxSessionMinutes });

  it('is raised, lowered and lifted, and what it says stands after the meter lost it', async () => {
    await plan({ minutes: null, maxSessionMinutes: 10 });
    await start({ session: 'file', minutesOf: 'file' });
    expect((await extend('file', 20)).status).toBe(200);
    expect((await tell('file', 15 * 60_000)).body).toMatchObject({ stop: false });
    expect((await extend('file', null)).status).toBe(200);
    expect((await tell('file', 50 * 60_000)).body).toMatchObject({ stop: false });
    expect((await extend('file', 40)).status).toBe(200);
    expect((await tell('file', 51 * 60_000)).body).toMatchObject({
      ...{ stop: true, reason: 'sessionLimit', chargedMs: 50 * 60_000, overshootMs: 60_000 },
    });
    expect((await extend('file', 99)).body.code).toBe('sessionEnded');
    expect((await extend('nobody', 99)).body.code).toBe('sessionUnknown');
    // Later than any calendar says: as good as never.
    await plan({ minutes: null, maxSessionHours: 100_000_000 });
    const { reading } = (await start({ session: 'long' })).body;
    expect(reading).toMatchObject({ limitMs: 100_000_000 * 3_600_000, burnRate: 1, endsAt: null });
    // Nothing, once it is in milliseconds.
    await start({ session: 'job' });
    for (const minutes of [0, 5e-324, 0.000001]) {
      const { status, body } = await extend('job', minutes);
      expect([minutes, status, body.code]).toEqual([minutes, 422, 'invalid']);
    }
  });
});
