/** Shadow mode must say what enforcement would do, so the meter itself is asked: twice, by both modes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memberBudget, organizationBudget, parseBudgetName } from '../../core/meter/budget-name.ts';
import type { OpenReply } from '../../core/meter/commands.ts';
import { LimitMode } from '../../core/meter/rows.ts';
import { BEGIN, createTestMeter, MINUTE_MS } from '../test-meter.ts';
import { refusedIfEnforced } from './judge.ts';

const given = fc.record({
  quotaMs: fc.option(fc.integer({ min: 0, max: 5 * MINUTE_MS }), { nil: null }),
  memberQuotaMs: fc.option(fc.integer({ min: 0, max: 5 * MINUTE_MS }), { nil: null }),
  grantedMs: fc.constantFrom(0, 0, MINUTE_MS, 3 * MINUTE_MS),
  maxSessionMs: fc.option(fc.integer({ min: 1, max: 5 * MINUTE_MS }), { nil: null }),
  concurrentSessions: fc.option(fc.nat(3), { nil: null }),
  /** of bob and of ann, each in a session that has ended, before ann starts */
  usedMs: fc.array(fc.nat(3 * MINUTE_MS), { minLength: 2, maxLength: 2 }),
  running: fc.nat(3),
  plannedMs: fc.option(fc.nat(6 * MINUTE_MS), { nil: null }),
});
type Given = typeof given extends fc.Arbitrary<infer T> ? T : never;

/** The same history in one mode; in mode stop, what goes beyond a limit is not charged. */
async function start(it: Given, mode: LimitMode) {
  const stores = createTestMeter({ meterBaseAt: BEGIN });
  const org = 'acme';
  const { quotaMs, memberQuotaMs, grantedMs, maxSessionMs, concurrentSessions } = it;
  const isShadow = mode === LimitMode.shadow;
  const limits = { maxSessionMs, concurrentSessions, isShadow };
  stores.account(org, { quotaMs, memberQuotaMs, grantedMs, mode, limits });
  let now = BEGIN + MINUTE_MS;
  stores.model.setNow(now);
  const names = ['ann', 'bob'].map((user) => memberBudget(org, user, BEGIN));
  const seeds = await stores.ledger.seeds(org, [organizationBudget(org, BEGIN), ...names]);
  await stores.meter.seed(seeds!);
  async function open(session: string, user: string, asked: Partial<Given> = {}) {
    return (await stores.meter.open({
      ...{ session, org, user, period: BEGIN, kind: 'new', base: null, witness: null },
      ...{ authenticates: false, memoryMs: null, countedGapMs: 20_000, sessionLevels: [] },
      concurrentSessions: isShadow ? null : (asked.concurrentSessions ?? null),
      sessionLimitMs: isShadow ? null : (asked.maxSessionMs ?? null),
      ...{ plannedMs: asked.plannedMs ?? null, gatewayWallMs: now },
    })) as OpenReply;
  }
  for (const [i, user] of ['bob', 'ann'].entries()) {
    const opened = await open(`${user}-0`, user);
    if (opened.status !== 'opened') continue;
    now += it.usedMs[i]!;
    stores.model.setNow(now);
    const { epoch } = opened.session;
    const totalMs = it.usedMs[i]!;
    await stores.meter.beats(
      [{ org, session: `${user}-0`, epoch, totalMs, ageMs: 0, state: 'recording' }],
      now,
    );
    await stores.meter.close({
      ...{ org, session: `${user}-0`, reason: 'stopped', gatewayWallMs: now },
      by: { owner: epoch, totalMs, ageMs: 0 },
    });
  }
  let running = 0;
  for (let i = 0; i < it.running; i += 1) {
    if ((await open(`bob-${i + 1}`, 'bob')).status === 'opened') running += 1;
  }
  const reply = await open('ann-1', 'ann', it);
  const known = (await stores.ledger.limits(org, 'ann'))!;
  return { reply, known, running };
}

describe('what shadow mode says of a start', () => {
  it('is what the meter answers where the plan is enforced', async () => {
    let refusals = 0;
    await fc.assert(
      fc.asyncProperty(given, async (it) => {
        // What enforcement would have cut is used in shadow mode: only histories within the limits compare.
        const used = it.usedMs[0]! + it.usedMs[1]!;
        fc.pre(it.quotaMs === null || used <= it.quotaMs + it.grantedMs);
        fc.pre(it.memberQuotaMs === null || Math.max(...it.usedMs) <= it.memberQuotaMs);
        const enforced = await start(it, LimitMode.stop);
        const shadow = await start(it, LimitMode.shadow);
        // Where nothing is left, bob does not run either.
        fc.pre(enforced.running === shadow.running);
        if (shadow.reply.status !== 'opened') throw new Error(`not let in: ${shadow.reply.status}`);
        const found = refusedIfEnforced(shadow.known, {
          ...{ budgets: shadow.reply.budgets, plannedMs: it.plannedMs },
          running: { all: shadow.running, own: 0 },
          isBeyondDay: false,
        });
        const { reply } = enforced;
        if (reply.status !== 'opened') refusals += 1;
        expect(found?.reason ?? 'opened').toBe(reply.status);
        if (reply.status === 'limitReached' || reply.status === 'plannedTooLong') {
          expect(found?.binding).toBe(parseBudgetName(reply.by).scope);
        }
        if ('live' in reply) expect(found?.used).toBe(reply.live);
      }),
      { numRuns: 300 },
    );
    expect(refusals).toBeGreaterThan(30);
  });
});
