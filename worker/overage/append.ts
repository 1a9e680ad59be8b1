/**
 * What Stripe is to be told of a period's overage, written down before it is told: a row for the
 * difference between what the ledger says now and what all rows say together, in one transaction.
 */
import { randomUUID } from 'node:crypto';
import { and, desc, eq, gt, isNull, or, sql } from 'drizzle-orm';
import type { RoundTo } from '../../core/billing/billed-time.ts';
import { overageMinutes } from '../../core/billing/overage-minutes.ts';
import type { Transaction } from '../../drizzle/client.ts';
import { overageReports } from '../../drizzle/schema/overage-reports.ts';
import { writeAudit } from '../ledger/audit.ts';
import type { LedgerContext } from '../ledger/settle.ts';

/** First half of an advisory lock; the second is of the organization. One writer of its rows. */
const OVERAGE_LOCK = 7_140_023;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Stripe takes back what it received within the last 24 hours; one of them is for the way. */
const CANCELLABLE_MS = 23 * HOUR_MS;
/** Stripe takes an event of the past 35 calendar days, in whatever zone. */
export const OLDEST_MS = 33 * DAY_MS;
/** Periods that ended longer ago are not looked at any more. */
const LOOKED_AT_MS = 60 * DAY_MS;
const PERIODS_A_TURN = 500;

interface Due extends Record<string, unknown> {
  org: string;
  period: number;
}
interface Figures extends Record<string, unknown> {
  billableMs: number;
  endsAt: number;
  roundTo: RoundTo;
  eventName: string;
  customer: string;
}
type Row = typeof overageReports.$inferSelect;

export interface AppendDeps extends Pick<LedgerContext, 'db' | 'wallMs'> {
  /** of the key: a customer of the other mode is not there for it */
  livemode: boolean;
}

/** Answers how many periods got rows. Any number of workers may do it at once. @param now meter instant */
export async function appendReports(deps: AppendDeps, now: number): Promise<number> {
  const { db } = deps;
  let appended = 0;
  let after: readonly [string, number] = ['', 0];
  for (;;) {
    const due = await db.execute<Due>(sql`
      select b.org, epoch_ms(b.starts_at) as period
      from billing_periods b join organizations o on o.id = b.org join plans p on p.id = o.plan
        join stripe_customers c on c.org = b.org and c.livemode = ${deps.livemode}
        left join lateral (
          select sum(r.minutes) as minutes from overage_reports r
          where r.org = b.org and r.period = b.starts_at and r.cancel_at is null
            and r.livemode = ${deps.livemode}
        ) told on true
      where b.billable_ms > 0 and b.ends_at > from_epoch_ms(${now - LOOKED_AT_MS})
        and p.overage_meter is not null
        and b.billable_ms <> coalesce(told.minutes, 0) * 60000
        and (b.org, b.starts_at) > (${after[0]}, from_epoch_ms(${after[1]}))
      order by b.org, b.starts_at limit ${PERIODS_A_TURN}`);
    for (const { org, period } of due) {
      if (await db.transaction((tx) => appendOne(tx, deps, { org, period, now }))) appended += 1;
    }
    const last = due.at(-1);
    if (last === undefined || due.length < PERIODS_A_TURN) return appended;
    after = [last.org, last.period];
  }
}

interface Which {
  org: string;
  period: number;
  now: number;
}

async function appendOne(
  tx: Transaction,
  deps: AppendDeps,
  { org, period, now }: Which,
): Promise<boolean> {
  await tx.execute(sql`select pg_advisory_xact_lock(${OVERAGE_LOCK}::integer, hashtext(${org}))`);
  const [figures] = await tx.execute<Figures>(sql`
    select b.billable_ms as "billableMs", epoch_ms(b.ends_at) as "endsAt",
      p.round_to as "roundTo", p.overage_meter as "eventName", c.customer
    from billing_periods b join organizations o on o.id = b.org join plans p on p.id = o.plan
      join stripe_customers c on c.org = b.org and c.livemode = ${deps.livemode}
    where b.org = ${org} and b.starts_at = from_epoch_ms(${period})
      and p.overage_meter is not null`);
  if (figures === undefined) return false;
  const { billableMs, endsAt, roundTo, eventName, customer } = figures;
  const target = overageMinutes(billableMs, endsAt <= now, roundTo);
  const { livemode } = deps;
  const { told, sequence } = await toldOf(tx, { org, period, livemode });
  if (told === target) return false;
  const wall = deps.wallMs();
  const left =
    told > target ? await takeBack(tx, { org, period, livemode, wall }, { told, target }) : told;
  if (left === null) return false;
  if (left !== target) {
    const minutes = target - left;
    const isCredit = minutes < 0;
    await tx.insert(overageReports).values({
      ...{ org, period, minutes, eventName, customer, livemode },
      sequence: sequence + 1,
      kind: isCredit ? 'credit' : 'report',
      identifier: randomUUID(),
      ...{ createdAt: wall, nextTryAt: wall },
      // In the period it is of, so that Stripe puts it on that invoice.
      occurredAt: Math.max(wall - OLDEST_MS, Math.min(wall, endsAt - 1_000)),
    });
    if (isCredit) {
      const detail = { minutes, period };
      await writeAudit(tx, { actor: 'worker', action: 'overage.credit', org, detail });
    }
  }
  return true;
}

interface Told {
  /** minutes that Stripe has in this mode, or will have */
  told: number;
  /** of the last row of either mode; 0: there is none */
  sequence: number;
}

interface InMode extends Pick<Which, 'org' | 'period'> {
  livemode: boolean;
}

async function toldOf(tx: Transaction, { org, period, livemode }: InMode): Promise<Told> {
  const { minutes, cancelAt, sequence } = overageReports;
  const counts = sql`${cancelAt} is null and ${overageReports.livemode} = ${livemode}`;
  const [row] = await tx
    .select({
      told: sql<number>`coalesce(sum(${minutes}) filter (where ${counts}), 0)::integer`,
      sequence: sql<number>`coalesce(max(${sequence}), 0)`,
    })
    .from(overageReports)
    .where(and(eq(overageReports.org, org), eq(overageReports.period, period)));
  return row!;
}

/**
 * Too much was told: the newest rows that Stripe can take back are taken back, until no more is told
 * than there is. Answers what is told then; null while one is on its way, for nobody knows yet whether
 * Stripe has it.
 */
async function takeBack(
  tx: Transaction,
  { org, period, livemode, wall }: InMode & { wall: number },
  { told, target }: { told: number; target: number },
): Promise<number | null> {
  const { sentAt, cancelAt, kind, sequence } = overageReports;
  const rows = await tx
    .select()
    .from(overageReports)
    .where(
      and(
        ...[eq(overageReports.org, org), eq(overageReports.period, period)],
        ...[eq(overageReports.livemode, livemode), eq(kind, 'report'), isNull(cancelAt)],
        or(isNull(sentAt), gt(sentAt, wall - CANCELLABLE_MS)),
      ),
    )
    .orderBy(desc(sequence))
    // Locked: one that a worker takes to Stripe at this moment is seen to be on its way.
    .for('update');
  if (rows.some((it) => it.attempts > 0 && isOpen(it))) return null;
  let left = told;
  for (const row of rows) {
    if (left <= target) break;
    const isUnsent = isOpen(row);
    if (!isUnsent && !isCancellable(row)) continue;
    await tx
      .update(overageReports)
      // What Stripe never heard of needs no word to it.
      .set(isUnsent ? { cancelAt: wall, cancelledAt: wall } : { cancelAt: wall, nextTryAt: wall })
      .where(eq(overageReports.identifier, row.identifier));
    left -= row.minutes;
  }
  return left;
}

const isOpen = ({ sentAt, unclearAt }: Row) => sentAt === null && unclearAt === null;
const isCancellable = ({ sentAt, cancelRefusedAt }: Row) =>
  sentAt !== null && cancelRefusedAt === null;
