/** What the ledger has of a test's organization. */
import { and, asc, eq } from 'drizzle-orm';
import { extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { sessions, usageTracking } from '../../drizzle/schema/sessions.ts';
import { MAY, type TestLedger, type TestOrganization } from '../test-ledger.ts';
import { type SettleOutcome, settle } from './settle.ts';

export const settleAll = (
  ledger: TestLedger,
  { shard }: TestOrganization,
): Promise<SettleOutcome> => settle(ledger.context, shard, { limit: 1000 });

export const minutesOf = ({ connection }: TestLedger, { org }: TestOrganization) =>
  connection.db
    .select()
    .from(usageTracking)
    .where(eq(usageTracking.org, org))
    .orderBy(asc(usageTracking.session), asc(usageTracking.minute), asc(usageTracking.period));

export async function sessionOf(
  { connection }: TestLedger,
  { org }: TestOrganization,
  session = 's1',
) {
  const [row] = await connection.db
    .select()
    .from(sessions)
    .where(and(eq(sessions.org, org), eq(sessions.id, session)));
  return row;
}

export async function periodOf(
  { connection }: TestLedger,
  { org }: TestOrganization,
  startsAt = MAY,
) {
  const [row] = await connection.db
    .select()
    .from(billingPeriods)
    .where(and(eq(billingPeriods.org, org), eq(billingPeriods.startsAt, startsAt)));
  return row!;
}

export const lotsOf = ({ connection }: TestLedger, { org }: TestOrganization) =>
  connection.db
    .select()
    .from(extraMinutesPurchases)
    .where(eq(extraMinutesPurchases.org, org))
    .orderBy(asc(extraMinutesPurchases.id));
