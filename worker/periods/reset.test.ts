/**
 * Resets in the midst of everything: beats, late beats, rollovers, settling, two who carry the same
 * reset out. What every period holds is what was recorded within its bounds, to the millisecond.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { diceOf } from '../../core/meter/schedule.ts';
import { carryOutReset } from '../../drizzle/queries/carry-out-reset.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { settle } from '../ledger/settle.ts';
import { settleAll } from '../ledger/test-rows.ts';
import {
  createTestLedger,
  JUNE,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';

const SEED = Number(process.env.SEED ?? 7);
const SCHEDULES = 6;
const STEPS = 45;
const SESSIONS = ['a', 'b', 'c'];

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

interface Recording {
  startedAt: number;
  /** while it records nothing is paused: its total is the time since */
  lastAt: number;
}

async function reset(org: string): Promise<void> {
  const { sql, db } = ledger.connection;
  const period = await ensurePeriod(db, org, ledger.now);
  const id = randomUUID();
  await sql`
    insert into period_resets (id, org, period, reason, actor)
    values (${id}, ${org}, from_epoch_ms(${period!.startsAt}), 'test', 'test')`;
  // The gateway that was asked, and a worker that looks for what waits.
  const both = [1, 2].map(() => carryOutReset(db, ledger.meter, id));
  const [one, other] = await Promise.all(both);
  expect(one!.at).toBe(Math.max(ledger.now, period!.startsAt));
  expect(other!.at).toBe(one!.at);
}

async function run(acme: TestOrganization, seed: number): Promise<number> {
  const dice = diceOf(seed);
  const going = new Map<string, Recording>();
  let resets = 0;
  const beat = async (session: string, lateMs: number) => {
    const it = going.get(session)!;
    const at = Math.max(it.lastAt, ledger.now - lateMs);
    const { epoch } = await acme.session(session);
    const totalMs = at - it.startedAt;
    const word = { org: acme.org, session, epoch, totalMs, ageMs: ledger.now - at };
    it.lastAt = at;
    for (;;) {
      const reply = await ledger.meter.beats([{ ...word, state: 'recording' }], ledger.now);
      const start = reply.items[0]!.missingPeriod;
      if (start === null) return;
      // As its gateway does, it brings the period that is missing and says it again.
      const names = [organizationBudget(acme.org, start), memberBudget(acme.org, 'alice', start)];
      await ledger.meter.seed((await loadSeeds(ledger.connection.db, acme.org, names))!);
    }
  };
  for (let step = 0; step < STEPS; step++) {
    const session = dice.pick(SESSIONS);
    const kind = dice.below(10);
    await ledger.advance(dice.pick([0, 1, 37, 999, 5_000, 20_000]));
    if (!going.has(session)) {
      await acme.open(session);
      going.set(session, { startedAt: ledger.now, lastAt: ledger.now });
    } else if (kind < 5) await beat(session, dice.pick([0, 0, 0, 3, 60]));
    else if (kind < 7) {
      resets += 1;
      // Settling goes on meanwhile.
      await Promise.all([reset(acme.org), settle(ledger.context, acme.shard, { limit: 3 })]);
    } else if (kind === 7) await settle(ledger.context, acme.shard, { limit: dice.below(20) + 1 });
    else if (kind === 8 && ledger.now < JUNE) {
      // Across a boundary of the calendar, with everybody recording.
      for (const it of going.keys()) await beat(it, 0);
      await ledger.setNow(JUNE + dice.pick([0, 1, 400]));
    } else await Promise.all([...going.keys()].map((it) => beat(it, 0)));
  }
  for (const [session, { startedAt }] of going) {
    await beat(session, 0);
    await acme.close(session, ledger.now - startedAt);
  }
  await settleAll(ledger, acme);
  await settleAll(ledger, acme);
  await expectExact(acme, going);
  return resets;
}

async function expectExact(acme: TestOrganization, going: Map<string, Recording>): Promise<void> {
  const { sql } = ledger.connection;
  const periods = await sql<{ from: number; to: number; usedMs: number }[]>`
    select epoch_ms(starts_at) as from, epoch_ms(ends_at) as to, used_ms as "usedMs"
    from billing_periods where org = ${acme.org} order by starts_at`;
  const minutes = await sql<{ session: string; period: number; ms: number }[]>`
    select session, epoch_ms(period) as period, sum(ms)::bigint as ms from usage_tracking
    where org = ${acme.org} group by session, period`;
  const booked = new Map(minutes.map((it) => [`${it.session} ${it.period}`, it.ms]));
  let all = 0;
  periods.forEach(({ from, to, usedMs }, i) => {
    // Without gap or overlap.
    if (i > 0) expect(from).toBe(periods[i - 1]!.to);
    let within = 0;
    for (const [session, { startedAt, lastAt }] of going) {
      const ms = Math.max(0, Math.min(lastAt, to) - Math.max(startedAt, from));
      expect(booked.get(`${session} ${from}`) ?? 0, `${session} from ${from}`).toBe(ms);
      within += ms;
    }
    expect(usedMs).toBe(within);
    all += within;
  });
  const total = [...going.values()].reduce((sum, it) => sum + it.lastAt - it.startedAt, 0);
  expect(all).toBe(total);
  const [sessions] = await sql<{ ms: number; open: number }[]>`
    select sum(settled_ms)::bigint as ms, count(*) filter (where state <> 'closed') as open
    from sessions where org = ${acme.org}`;
  expect(sessions).toEqual({ ms: total, open: 0 });
}

it('every period holds what was recorded within its bounds, and nothing is counted twice', async () => {
  let resets = 0;
  for (let i = 0; i < SCHEDULES; i++) {
    await ledger.setNow(JUNE - 4 * MINUTE_MS);
    const acme = await ledger.account({ plan: { quotaMs: 3 * MINUTE_MS, atLimit: 'overage' } });
    await acme.give(2 * MINUTE_MS);
    resets += await run(acme, SEED + i);
  }
  expect(resets).toBeGreaterThan(SCHEDULES);
}, 120_000);
