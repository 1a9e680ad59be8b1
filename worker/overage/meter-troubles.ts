/**
 * Meter events that Stripe took and could not use: it finds that out only later, and tells it by an
 * event that says no more than that. What it was is asked here, and the reports that it names are left
 * to a person: nothing of them is on an invoice.
 */
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import { overageReports } from '../../drizzle/schema/overage-reports.ts';
import { stripeEvents } from '../../drizzle/schema/payments.ts';
import { METER_TROUBLES } from '../../payments/notification.ts';
import { troubleOf } from '../../payments/stripe-trouble.ts';
import type { SendDeps } from './send.ts';

const EVENTS_A_TURN = 10;
/** "Retrieves the details of an event if it was created in the last 30 days." */
const KEPT_MS = 30 * 24 * 3_600_000;

/** Of both kinds of event; the library knows no common name. */
type Report = Pick<Stripe.Events.V1BillingMeterErrorReportTriggeredEvent, 'data'>;

/**
 * Answers how many events were read. Those that Stripe does not answer for stay, and are asked for again
 * after all others.
 */
export async function readMeterTroubles(deps: SendDeps): Promise<number> {
  const { db, stripe, log, wallMs } = deps;
  let read = 0;
  for (const { id, createdAt } of await claim(deps)) {
    try {
      await note(deps, id, (await stripe.v2.core.events.retrieve(id)) as unknown as Report);
    } catch (error) {
      const { code, message: detail } = troubleOf(error);
      log.error({ event: id, code }, 'Stripe does not say what overage it could not use');
      if (wallMs() - createdAt < KEPT_MS) continue;
      await db.update(stripeEvents).set({ effect: 'unknown', detail }).where(isEvent(id));
    }
    read += 1;
  }
  return read;
}

/** Those never asked for, then those asked for longest ago: none keeps a later one waiting. */
function claim({ db, livemode, wallMs }: SendDeps) {
  const { id, effect, paymentIntent, type, askedAt, createdAt } = stripeEvents;
  const next = db
    .select({ id })
    .from(stripeEvents)
    .where(
      and(
        ...[eq(effect, 'waiting'), isNull(paymentIntent), inArray(type, [...METER_TROUBLES])],
        // Stripe says nothing of an event to a key of the other mode.
        eq(stripeEvents.livemode, livemode),
      ),
    )
    .orderBy(sql`${askedAt} nulls first`, asc(createdAt))
    .limit(EVENTS_A_TURN)
    .for('update', { skipLocked: true });
  return db
    .update(stripeEvents)
    .set({ askedAt: wallMs() })
    .where(inArray(id, next))
    .returning({ id, createdAt });
}

const isEvent = (id: string) => eq(stripeEvents.id, id);

async function note({ db, log, wallMs }: SendDeps, id: string, { data }: Report): Promise<void> {
  const { developer_message_summary: detail, reason } = data;
  const samples = reason.error_types.flatMap(({ code, sample_errors: errors }) =>
    errors.map((it) => ({
      identifier: it.request.identifier,
      why: `${code}: ${it.error_message}`,
    })),
  );
  const named = await db.transaction(async (tx) => {
    const reports: string[] = [];
    for (const { identifier, why } of samples) {
      const [row] = await tx
        .update(overageReports)
        .set({ unclearAt: wallMs(), lastError: `Stripe could not use it. ${why}` })
        .where(eq(overageReports.identifier, identifier))
        .returning({ org: overageReports.org });
      if (row !== undefined) reports.push(identifier);
    }
    const effect = reports.length > 0 ? ('applied' as const) : ('none' as const);
    await tx.update(stripeEvents).set({ effect, detail }).where(isEvent(id));
    return reports;
  });
  // Samples are not all of them: the count says how many there are.
  const errors = reason.error_count;
  log.error({ event: id, detail, errors, reports: named }, 'Stripe could not use overage');
}
