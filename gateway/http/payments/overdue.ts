/** An invoice that nobody has paid, as readings show it: since when, and until when it changes nothing. */
import { z } from '@hono/zod-openapi';
import { and, asc, eq, isNotNull, isNull } from 'drizzle-orm';
import type { Queryable } from '../../../drizzle/client.ts';
import { organizations } from '../../../drizzle/schema/organizations.ts';
import { stripeInvoices } from '../../../drizzle/schema/payments.ts';
import { plans } from '../../../drizzle/schema/plans.ts';
import { instant, instantSchema } from '../schemas.ts';

const DAY_MS = 24 * 3_600_000;

export const overdueSchema = z
  .object({
    overdueSince: instantSchema,
    graceUntil: instantSchema.openapi({ description: 'Until then it changes nothing.' }),
    graceEnded: z.boolean().openapi({ description: 'There is no overage until it is paid.' }),
    invoiceUrl: z.string().nullable().openapi({ description: 'Where it is paid.' }),
    message: z.string(),
  })
  .openapi('OverduePayment');
export type OverdueShown = z.infer<typeof overdueSchema>;

/** null: nothing is owed. */
export async function readOverdue(db: Queryable, org: string): Promise<OverdueShown | null> {
  const { overdueSince, settledAt, url } = stripeInvoices;
  const [row] = await db
    .select({
      since: organizations.paymentOverdueSince,
      graceEnded: organizations.paymentGraceEnded,
      days: plans.paymentGraceDays,
      atLimit: plans.atLimit,
      url,
    })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .leftJoin(
      stripeInvoices,
      and(eq(stripeInvoices.org, org), isNotNull(overdueSince), isNull(settledAt)),
    )
    .where(and(eq(organizations.id, org), isNotNull(organizations.paymentOverdueSince)))
    .orderBy(asc(overdueSince))
    .limit(1);
  if (row === undefined) return null;
  const { graceEnded, url: invoiceUrl } = row;
  const until = row.since! + row.days * DAY_MS;
  return {
    overdueSince: instant(row.since!),
    graceUntil: instant(until),
    graceEnded,
    invoiceUrl,
    message: wordsOf(graceEnded, row.atLimit === 'overage', instant(until)),
  };
}

function wordsOf(graceEnded: boolean, hasOverage: boolean, until: string): string {
  if (!hasOverage) return 'An invoice is unpaid. Pay it: your minutes stay as they are.';
  return graceEnded
    ? 'An invoice is unpaid, so there is no overage any more. The minutes of the plan and extra minutes can be used as before. Pay the invoice, and overage is back at once.'
    : `An invoice is unpaid. Everything goes on until ${until}; from then on there is no overage until it is paid.`;
}
