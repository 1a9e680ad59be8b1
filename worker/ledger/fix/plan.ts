import { shardOf } from '../../../core/meter/keys.ts';
import { applyGrant } from '../../../drizzle/queries/apply-limits.ts';
import { ensurePeriod } from '../../../drizzle/queries/ensure-period.ts';
import { openLot } from '../../../payments/take-fact.ts';
import { writeAudit } from '../audit.ts';
import type { Code } from '../check/codes.ts';
import type { Finding } from '../check/finding.ts';
import { recoverShard } from './raise-generation.ts';
import { rebuildDerived } from './rebuild.ts';
import { inRepair, type LedgerFix, noteRepair, type Step } from './step.ts';

const DERIVED: readonly Code[] = [
  ...(['periodSums', 'monthlyCache', 'dailyUsage', 'sessionSums', 'drawnSum'] as const),
  ...(['minuteCount', 'pieceCounts', 'dailyCosts'] as const),
];
const TOLD: readonly Code[] = ['limitStale', 'outboxBacklog', 'decreaseWaiting', 'paymentLot'];
const RECOVERED: readonly Code[] = [
  ...(['drift', 'sessionOrphan', 'unsettledForeign', 'minuteHole', 'sessionUnclosed'] as const),
];

export const distinct = <T>(items: readonly T[]): T[] => [...new Set(items)];

export function shardsOf(findings: readonly Finding[]): number[] {
  const numbers = findings.map((it) =>
    it.org === undefined ? Number(/^shard (\d+)$/.exec(it.subject ?? '')?.[1]) : shardOf(it.org),
  );
  return distinct(numbers).filter(Number.isInteger);
}

function makePeriod(fix: LedgerFix, org: string, at: number): Step {
  return {
    title: `make the billing period of ${org} at ${new Date(at).toISOString()}`,
    codes: ['periodMissing'],
    async run() {
      const period = await fix.db.transaction(async (tx) => {
        const made = await ensurePeriod(tx, org, at);
        const detail = { before: null, after: made };
        const { actor, area } = fix;
        await writeAudit(tx, { actor, action: `${area}.period`, org, detail });
        return made;
      });
      if (period === null) return null;
      return `${org} has a period from ${new Date(period.startsAt).toISOString()}`;
    },
  };
}

/** As the webhook should have: it serves at once, less what was refunded of it since. */
function makeLot(fix: LedgerFix, org: string, payment: string): Step {
  return {
    title: `make the lot of the payment ${payment} of ${org}`,
    codes: ['paymentWithoutLot'],
    run: () =>
      fix.db.transaction(async (tx) => {
        const { actor, area } = fix;
        await openLot(tx, payment);
        await applyGrant(tx, org);
        await writeAudit(tx, { actor, action: `${area}.lot`, org, subject: payment });
        return `${org} has the lot of the payment ${payment}`;
      }),
  };
}

/** Leaves word that the meter be told of an organization's limits, which also wakes the workers. */
function tellLimits(fix: LedgerFix, org: string, codes: Code[]): Step {
  return {
    title: `leave word that the meter be told of the limits of ${org}`,
    codes,
    run: () =>
      inRepair(fix.sql, async (tx) => {
        const [word] = await tx`
          insert into meter_outbox (org) select ${org}
          where not exists (select from meter_outbox where org = ${org} and user_id is null)
          returning id`;
        await tx`select pg_notify('meter_outbox', '')`;
        const detail = { before: { waiting: word === undefined }, after: { waiting: true } };
        await noteRepair(tx, fix, { action: 'tell', org, detail });
        return `the workers were woken to tell the meter of ${org}`;
      }),
  };
}

/**
 * What is done about findings in the ledger and in the live counters, in order: the ledger's sums are
 * put right, and the meter is recovered last, from a ledger that is right. None of the steps writes
 * minutes, burns or a lot that is there; one that was paid and is missing is made.
 */
export function planLedgerFix(fix: LedgerFix, findings: readonly Finding[]): Step[] {
  const fixable = findings.filter((it) => it.isFixable);
  const of = (codes: readonly Code[]) => fixable.filter((it) => codes.includes(it.code));
  const codesOf = (some: readonly Finding[]) => distinct(some.map((it) => it.code));
  const steps: Step[] = [];
  for (const { org, figures } of of(['periodMissing'])) {
    steps.push(makePeriod(fix, org!, Number(figures.at)));
  }
  for (const { org, subject } of of(['paymentWithoutLot'])) {
    steps.push(makeLot(fix, org!, subject!));
  }
  for (const org of distinct(of(DERIVED).map((it) => it.org!))) {
    steps.push(rebuildDerived(fix, org, codesOf(of(DERIVED).filter((it) => it.org === org))));
  }
  for (const org of distinct(of(TOLD).map((it) => it.org!))) {
    steps.push(tellLimits(fix, org, codesOf(of(TOLD).filter((it) => it.org === org))));
  }
  for (const shard of shardsOf(of(RECOVERED))) {
    const why = of(RECOVERED).filter((it) => shardsOf([it])[0] === shard);
    steps.push(recoverShard(fix, shard, codesOf(why), why.map((it) => it.says).slice(0, 20)));
  }
  return steps;
}
