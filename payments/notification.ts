/**
 * Stripe's other kind of events ("thin"): they say that something happened and to what; what it was is
 * asked of Stripe. It tells so, and only so, of meter events that it took and could not use.
 */
import type { Transaction } from '../drizzle/client.ts';
import { stripeEvents } from '../drizzle/schema/payments.ts';

export interface Notification {
  object: 'v2.core.event';
  id: string;
  type: string;
  /** ISO 8601, where other events have seconds */
  created: string;
  livemode: boolean;
}

/** The worker asks what they say (worker/overage/meter-troubles.ts). */
export const METER_TROUBLES: readonly string[] = [
  'v1.billing.meter.error_report_triggered',
  'v1.billing.meter.no_meter_found',
];

export const isNotification = (event: { object?: unknown }): event is Notification =>
  event.object === 'v2.core.event';

export type NotificationEffect = 'waiting' | 'unknown' | 'repeated';

/** Keeps it, like every event with a good signature. `waiting`: for the worker to ask. */
export async function takeNotification(
  tx: Transaction,
  event: Notification,
): Promise<NotificationEffect> {
  const { id, type, livemode } = event;
  const createdAt = Date.parse(event.created);
  const effect = METER_TROUBLES.includes(type) ? 'waiting' : 'unknown';
  const stored = await tx
    .insert(stripeEvents)
    .values({ id, type, livemode, createdAt, effect, payload: event })
    .onConflictDoNothing()
    .returning({ id: stripeEvents.id });
  return stored.length === 0 ? 'repeated' : effect;
}
