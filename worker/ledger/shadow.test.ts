import { asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { organizationMembers } from '../../drizzle/schema/organizations.ts';
import { shadowDecisions } from '../../drizzle/schema/shadow.ts';
import {
  createTestLedger,
  JUNE,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { minutesOf, sessionOf, settleAll } from './test-rows.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

async function noted({ org }: TestOrganization) {
  const rows = await ledger.connection.db
    .select()
    .from(shadowDecisions)
    .where(eq(shadowDecisions.org, org))
    .orderBy(asc(shadowDecisions.id));
  return rows.map((it) => [it.what, it.binding, it.session, it.used, it.allowed]);
}

describe('a session in shadow mode', () => {
  it('is metered to the millisecond, never stopped, and noted once as one that would have been', async () => {
    const plan = { quotaMs: 2 * MINUTE_MS, enforcement: 'shadow' as const };
    const acme = await ledger.account({ plan });
    await acme.open('s1');
    await acme.record('s1', 2 * MINUTE_MS);
    await settleAll(ledger, acme);
    // The limit itself is not beyond it.
    expect(await noted(acme)).toEqual([]);
    for (let i = 0; i < 3; i += 1) {
      await acme.record('s1', MINUTE_MS);
      await settleAll(ledger, acme);
    }
    expect(await acme.session('s1')).toMatchObject({ state: 'recording', stoppedBy: '' });
    await acme.close('s1', 5 * MINUTE_MS);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([
      ['stopped', 'organization', 's1', 3 * MINUTE_MS, 2 * MINUTE_MS],
    ]);
    const recorded = (await minutesOf(ledger, acme)).reduce((sum, it) => sum + it.ms, 0);
    expect(recorded).toBe(5 * MINUTE_MS);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({ state: 'closed', overshootMs: 0 });
  });

  it('is noted for each limit it went beyond: its member’s, and its own longest length', async () => {
    const plan = {
      ...{ quotaMs: null, maxSessionMs: 90_000, enforcement: 'shadow' as const },
    };
    const acme = await ledger.account({ plan, members: [{ user: 'alice' }, { user: 'bob' }] });
    await ledger.connection.db
      .update(organizationMembers)
      .set({ quotaMs: MINUTE_MS })
      .where(eq(organizationMembers.org, acme.org));
    await acme.open('s1', 'alice');
    await acme.record('s1', 2 * MINUTE_MS);
    await acme.open('s2', 'bob');
    await acme.record('s2', MINUTE_MS);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([
      ['stopped', 'member', 's1', 2 * MINUTE_MS, MINUTE_MS],
      ['stopped', 'session', 's1', 2 * MINUTE_MS, 90_000],
    ]);
  });

  it('is not noted where the plan would have billed on, up to its cap', async () => {
    const plan = {
      ...{ quotaMs: MINUTE_MS, enforcement: 'shadow' as const, atLimit: 'overage' as const },
    };
    const open = await ledger.account({ plan });
    const capped = await ledger.account({ plan: { ...plan, overageCapMs: MINUTE_MS } });
    for (const it of [open, capped]) {
      await it.open('s1');
      await it.record('s1', 3 * MINUTE_MS);
      await settleAll(ledger, it);
    }
    expect(await noted(open)).toEqual([]);
    expect(await noted(capped)).toEqual([
      ['stopped', 'organization', 's1', 3 * MINUTE_MS, 2 * MINUTE_MS],
    ]);
  });

  it('burns extra minutes before it would have been stopped', async () => {
    const plan = { quotaMs: MINUTE_MS, enforcement: 'shadow' as const };
    const acme = await ledger.account({ plan });
    await acme.give(MINUTE_MS);
    await acme.open('s1');
    await acme.record('s1', 2 * MINUTE_MS);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([]);
    await acme.record('s1', 1_000);
    await acme.close('s1', 2 * MINUTE_MS + 1_000);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([
      ['stopped', 'organization', 's1', 2 * MINUTE_MS + 1_000, 2 * MINUTE_MS],
    ]);
  });

  it('that would not have been let in is not stopped, too', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 0, enforcement: 'shadow' } });
    await ledger.connection.db.insert(shadowDecisions).values({
      ...{ org: acme.org, what: 'refused', reason: 'limitReached', binding: 'organization' },
      ...{ session: 's1', user: 'alice', decidedAt: ledger.now, unit: 'ms', used: 0, allowed: 0 },
    });
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([['refused', 'organization', 's1', 0, 0]]);
  });

  it('across the month is noted by the limits of both', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 30_000, enforcement: 'shadow' } });
    await ledger.setNow(JUNE - MINUTE_MS);
    await acme.open('s1');
    await acme.record('s1', 2 * MINUTE_MS);
    await acme.close('s1', 2 * MINUTE_MS);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([
      ['stopped', 'organization', 's1', MINUTE_MS, 30_000],
      ['stopped', 'organization', 's1', MINUTE_MS, 30_000],
    ]);
  });
});

describe('a plan that is enforced', () => {
  it('leaves no word here', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 30_000 } });
    await acme.open('s1');
    await ledger.advance(40_000);
    await acme.beat('s1', 40_000);
    await acme.close('s1', 40_000);
    await settleAll(ledger, acme);
    expect(await noted(acme)).toEqual([]);
  });
});

describe('the terms of a session', () => {
  it('are those of its start and of its end, whatever becomes of the plan', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 60 * MINUTE_MS } });
    const { sql } = ledger.connection;
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    await settleAll(ledger, acme);
    await sql`update plans set quota_ms = 120000000, round_to = 'minute' where id = ${acme.plan}`;
    await acme.close('s1', MINUTE_MS);
    await settleAll(ledger, acme);
    await sql`update plans set quota_ms = 1 where id = ${acme.plan}`;
    await sql`update sessions set ended_at = ended_at, terms_at_start = '{}', terms_at_end = '{}'
      where org = ${acme.org}`;
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      termsAtStart: { plan: acme.plan, planMs: 60 * MINUTE_MS, roundTo: 'second' },
      termsAtEnd: { plan: acme.plan, planMs: 120_000_000, roundTo: 'minute' },
    });
  });
});
