/** Places and starts, and a session's own length while it runs: rules 7 and 18 of README.md. */
import { expect, it } from 'vitest';
import { memberBudget } from './budget-name.ts';
import type { DayLimits, OpenCommand } from './open-command.ts';
import { onModelAndRedis } from './test-each.ts';
import { ORG, START, USER, type World, witnessOf } from './test-world.ts';

const DAY_MS = 86_400_000;
const day = (more: Partial<DayLimits> = {}): DayLimits => ({
  ...{ startsAt: START, endsAt: START + DAY_MS, sessions: null, memberSessions: null },
  ...more,
});

/** Another member's start: its budget is seeded first. */
async function openAs(world: World, user: string, session: string, more: Partial<OpenCommand>) {
  const name = memberBudget(ORG, user, START);
  const { meter } = world.subject;
  const reply = await meter.readBudgets(ORG, [name]);
  if (reply.status === 'ok' && reply.budgets.length === 0) {
    const settled = { sequence: 1, usedMs: 0, planMs: 0, extraMs: 0, overageMs: 0 };
    const limit = { quotaMs: null, version: 1, mode: 0 as const, overageCapMs: null };
    const drawn = { org: ORG, sequence: 1, drawnMs: 0 };
    await meter.seed({
      ...{ org: ORG, generation: 1 },
      account: { org: ORG, grantedMs: 0, version: 1, suspended: false, drawn },
      budgets: [
        {
          ...{ name, org: ORG, ...limit, startsAt: START, endsAt: null, levels: [], crossed: [] },
          settled: { name, ...settled },
        },
      ],
    });
  }
  return world.open(session, { user, ...more });
}

onModelAndRedis('places', (begin) => {
  it('rule 18: a member’s own limit counts its own sessions, and is named', async () => {
    const world = await begin();
    await world.seed();
    const limits = { concurrentSessions: 4, memberConcurrentSessions: 1 };
    expect(await world.open('a', limits)).toMatchObject({ status: 'opened', shadowed: '' });
    const own = { status: 'concurrencyLimit', live: 1, by: 'member' };
    expect(await world.open('b', limits)).toMatchObject(own);
    // A name that begins with another's is another's.
    expect(await openAs(world, `${USER}a`, 'c', limits)).toMatchObject({ status: 'opened' });
    expect(await openAs(world, `${USER}-`, 'd', limits)).toMatchObject({ status: 'opened' });
    expect(await world.open('b', { concurrentSessions: 3 })).toMatchObject({
      ...{ status: 'concurrencyLimit', live: 3, by: 'organization' },
    });
    await world.close('a', 0);
    expect(await world.open('b', limits)).toMatchObject({ status: 'opened' });
  });

  it('rule 18: shadow mode says what it would have refused, and refuses nothing', async () => {
    const world = await begin();
    await world.seed();
    const isShadow = true;
    await world.open('a', { concurrentSessions: 1 });
    const reply = await world.open('b', { isShadow, concurrentSessions: 1 });
    expect(reply).toMatchObject({ status: 'opened', shadowed: 'concurrencyLimit' });
    const one = { isShadow, concurrentSessions: 9, day: day({ sessions: 2 }) };
    expect(await world.open('c', one)).toMatchObject({ status: 'uncounted' });
    await world.subject.meter.count({ org: ORG, generation: 1, since: START, starts: [] });
    expect(await world.open('c', one)).toMatchObject({ status: 'opened', shadowed: 'dayLimit' });
  });

  it('rule 18: places are released by the sweep, and taken again by who comes back', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    const row = await world.session('a');
    const { totalMs, lastAnswerAt } = row;
    const by = { sweep: { totalMs, lastAnswerAt } };
    const lost = { org: ORG, session: 'a', reason: 'lost', by, gatewayWallMs: world.now };
    await world.subject.meter.close(lost);
    expect(await world.open('b', { concurrentSessions: 1 })).toMatchObject({ status: 'opened' });
    const base = { startedAt: START, ended: false, reason: '', overshootMs: 0, chargedMs: 0 };
    const marks = [{ period: START, chargedMs: 0 }];
    const sessions = [{ session: 'old', org: ORG, user: USER, base: { ...base, marks } }];
    await world.subject.meter.adopt({ shard: 47, generation: 1, sessions });
    expect(await world.open('c', { concurrentSessions: 2 })).toMatchObject({ live: 2 });
  });
});

onModelAndRedis('sessions a day', (begin) => {
  it('rule 18: nothing is decided before the ledger’s starts are there; then it is exact', async () => {
    const world = await begin();
    await world.seed();
    const { meter } = world.subject;
    await world.open('before');
    const two = { day: day({ sessions: 4 }) };
    expect(await world.open('a', two)).toEqual({
      ...{ status: 'uncounted', now: world.now, generation: 1 },
    });
    // `before` is in the ledger by now, too, and one that ended in the night.
    const start = (session: string, startedAt: number) => ({ user: USER, session, startedAt });
    const starts = [start('before', START), start('done', START), start('old', START - 1)];
    await meter.count({ org: ORG, generation: 1, since: START, starts });
    expect(await world.open('a', two)).toMatchObject({ status: 'opened' });
    expect(await world.open('b', two)).toMatchObject({ status: 'opened' });
    const full = { status: 'dayLimit', used: 4, by: 'organization' };
    expect(await world.open('c', two)).toMatchObject(full);
    expect(await world.open('c', two)).toMatchObject(full);
    // Who resumes is no start, and who has ended was one.
    expect(await world.open('a', { kind: 'resume', ...two })).toMatchObject({ status: 'resumed' });
    await world.close('a', 0);
    expect(await world.open('c', two)).toMatchObject(full);
    const places = { isCounted: true, begun: 4, memberBegun: 4, live: 2, memberLive: 2 };
    expect(await meter.readPlaces(ORG, USER, day())).toMatchObject(places);
    // A zone whose day began before is another day, which has to be counted anew.
    const early = day({ startsAt: START - 3_600_000, sessions: 5 });
    expect(await world.open('c', { day: early })).toMatchObject({ status: 'uncounted' });
    await meter.count({ org: ORG, generation: 1, since: early.startsAt, starts });
    expect(await world.open('c', { day: early })).toMatchObject({ status: 'dayLimit', used: 5 });
    // The next day begins with nobody, and is told apart from the one a slow gateway believes in.
    await world.setNow(START + DAY_MS);
    expect(await world.open('c', two)).toMatchObject({ status: 'uncounted' });
    const next = { startsAt: START + DAY_MS, endsAt: START + 2 * DAY_MS };
    expect(await world.open('c', { day: day({ sessions: 1, ...next }) })).toMatchObject({
      status: 'opened',
    });
    expect(await world.open('d', { day: day({ sessions: 1, ...next }) })).toMatchObject({
      ...{ status: 'dayLimit', used: 1 },
    });
  });

  it('rule 18: a start that is refused for something else is not counted', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    const limits = { day: day({ sessions: 2 }), concurrentSessions: 1 };
    await world.open('a', limits);
    await world.subject.meter.count({ org: ORG, generation: 1, since: START, starts: [] });
    await world.open('a', limits);
    for (const session of ['b', 'c', 'd']) {
      expect(await world.open(session, limits)).toMatchObject({ status: 'concurrencyLimit' });
      expect(await world.open(session, { ...limits, plannedMs: 99_000 })).toMatchObject({
        status: 'plannedTooLong',
      });
    }
    await world.close('a', 0);
    expect(await world.open('b', limits)).toMatchObject({ status: 'opened' });
  });

  it('rule 18: a member’s own', async () => {
    const world = await begin();
    await world.seed();
    const limits = { day: day({ memberSessions: 1 }) };
    await world.open('a', limits);
    await world.subject.meter.count({ org: ORG, generation: 1, since: START, starts: [] });
    expect(await world.open('a', limits)).toMatchObject({ status: 'opened' });
    const own = { status: 'dayLimit', used: 1, by: 'member' };
    expect(await world.open('b', limits)).toMatchObject(own);
    expect(await openAs(world, `${USER}a`, 'c', limits)).toMatchObject({ status: 'opened' });
  });

  it('rule 18: what the ledger said of another life of the shard counts nothing', async () => {
    const world = await begin();
    await world.seed();
    const { meter } = world.subject;
    const starts = [{ user: USER, session: 'x', startedAt: START }];
    const count = { org: ORG, since: START, starts };
    expect(await meter.count({ ...count, generation: 1 })).toEqual({ status: 'staleGeneration' });
    await world.open('a', { day: day({ sessions: 1 }) });
    expect(await meter.count({ ...count, generation: 0 })).toEqual({ status: 'staleGeneration' });
    expect(await world.open('a', { day: day({ sessions: 1 }) })).toMatchObject({
      status: 'uncounted',
    });
    // A session that only its witness knows comes back into the count.
    await meter.count({ ...count, generation: 1, starts: [] });
    const row = { ...(await ofAnother(world)), session: 'y' };
    await world.open('y', { kind: 'resume', witness: witnessOf(row) });
    expect(await world.open('a', { day: day({ sessions: 2 }) })).toMatchObject({
      ...{ status: 'dayLimit', used: 2 },
    });
  });
});

/** A row as a checkpoint would remember it. */
async function ofAnother(world: World) {
  await world.open('another');
  await world.advance(1_000);
  return { ...(await world.session('another')), startedAt: START };
}

onModelAndRedis('the queue for a place', (begin) => {
  const asks = (more = {}) => ({
    concurrentSessions: 1,
    queue: { max: 2, leaseMs: 5_000, turn: null, ...more },
  });

  it('rule 18: is in order, has an end, and nobody is overtaken', async () => {
    const world = await begin();
    await world.seed();
    expect(await world.open('a', asks())).toMatchObject({ status: 'opened' });
    expect(await world.open('b', asks())).toMatchObject({
      status: 'queued',
      ahead: 0,
      turn: START,
    });
    const c = await world.open('c', asks());
    expect(c).toMatchObject({ status: 'queued', ahead: 1, turn: START + 1 });
    expect(await world.open('d', asks())).toMatchObject({ status: 'concurrencyLimit', live: 1 });
    await world.close('a', 0);
    // There is room, and it is b's, who asked first.
    expect(await world.open('c', asks())).toMatchObject({ status: 'queued', ahead: 1 });
    expect(await world.open('d', asks())).toMatchObject({ status: 'concurrencyLimit' });
    expect(await world.open('b', asks())).toMatchObject({ status: 'opened' });
    expect(await world.open('c', asks())).toMatchObject({ status: 'queued', ahead: 0 });
    expect(await world.subject.meter.leave(ORG, USER, 'c')).toEqual({ status: 'ok' });
    expect(await world.open('d', asks())).toMatchObject({ status: 'queued', ahead: 0 });
  });

  it('rule 18: a wait that nobody speaks for lapses, and one that does keeps its turn', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a', asks());
    await world.open('b', asks());
    await world.open('c', asks());
    await world.advance(4_999);
    expect(await world.open('c', asks())).toMatchObject({ status: 'queued', ahead: 1 });
    await world.advance(1);
    expect(await world.open('c', asks())).toMatchObject({ status: 'queued', ahead: 0 });
    // The meter lost it; its gateway still knows its turn.
    expect(await world.open('b', asks({ turn: START }))).toMatchObject({ ahead: 0 });
    expect(await world.open('c', asks())).toMatchObject({ status: 'queued', ahead: 1 });
  });
});

onModelAndRedis('a session’s longest length', (begin) => {
  it('rule 7: is raised, lowered and lifted while it runs, by its version', async () => {
    const world = await begin();
    await world.seed();
    const { meter } = world.subject;
    await world.open('a', { sessionLimitMs: 10_000, sessionLevels: [80] });
    await world.advance(9_000);
    await world.beat('a', 9_000);
    await world.subject.takeEvents();
    const extend = (limitMs: number | null, version: number) =>
      meter.extend({ org: ORG, session: 'a', limitMs, version, levels: [80] });
    expect(await extend(20_000, 5)).toMatchObject({ status: 'ok' });
    expect(await world.own('a')).toMatchObject({ remainingMs: 11_000, crossed: [0], version: 5 });
    const told = (await world.subject.takeEvents()).map(
      (event) => 'row' in event && event.row.name,
    );
    expect(told).toContain(`s|${ORG}|a`);
    expect(await extend(1_000, 5)).toMatchObject({ status: 'ok' });
    expect(await world.own('a')).toMatchObject({ remainingMs: 11_000 });
    expect(await extend(null, 6)).toMatchObject({ status: 'ok' });
    expect(await world.own('a')).toMatchObject({ remainingMs: null, quotaMs: null });
    // Below what it has, it stops at once, and is past help.
    expect(await extend(8_000, 7)).toMatchObject({ status: 'ok' });
    expect(await world.own('a')).toMatchObject({ remainingMs: 0, stops: 1 });
    expect(await extend(80_000, 8)).toMatchObject({ status: 'stopped' });
    await world.close('a', 9_000);
    expect(await extend(80_000, 9)).toMatchObject({ status: 'ended' });
  });

  it('rule 7: is given to one that had none', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(1_000);
    const limit = { org: ORG, session: 'a', limitMs: 5_000, version: 3, levels: [50] };
    expect(await world.subject.meter.extend(limit)).toMatchObject({ status: 'ok' });
    expect(await world.own('a')).toMatchObject({ burnRate: 1, quotaMs: 5_000, version: 3 });
    expect(await world.beat('a', 6_000)).toMatchObject({ status: 'stopped', chargedMs: 5_000 });
    const gone = { ...limit, session: 'nobody' };
    expect(await world.subject.meter.extend(gone)).toMatchObject({ status: 'unknown' });
  });
});
