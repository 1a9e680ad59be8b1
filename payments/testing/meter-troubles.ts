/**
 * What Stripe tells of meter events that it could not use: an event that says no more than that, and
 * the same event in full for whoever asks (https://docs.stripe.com/api/v2/core/events/event-types).
 */
import type { Notification } from '../notification.ts';
import { type Account, find } from './account.ts';
import type { Route } from './route.ts';

/** Of all that has a problem by now. */
export function tellOfMeterTroubles(account: Account): Notification {
  const wrong = account.usage.filter(({ problem }) => problem !== null);
  const thin: Notification = {
    object: 'v2.core.event',
    id: account.newId('evt_test'),
    type: 'v1.billing.meter.error_report_triggered',
    created: new Date(account.nowMs()).toISOString(),
    livemode: false,
  };
  const error_types = [...new Set(wrong.map(({ problem }) => problem))].map((code) => {
    const some = wrong.filter(({ problem }) => problem === code);
    const sample_errors = some.map(({ event: { identifier } }) => ({
      error_message: `The meter event can't be used: ${code}.`,
      request: { identifier },
    }));
    return { code, error_count: some.length, sample_errors };
  });
  const data = {
    developer_message_summary: `There are ${wrong.length} invalid events`,
    reason: { error_count: wrong.length, error_types },
    validation_start: thin.created,
    validation_end: thin.created,
  };
  account.notifications.set(thin.id, { ...thin, data });
  return thin;
}

export const notificationRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v2/core/events/:id',
    takes: [],
    answer: ({ account, id }) => find(account.notifications, id, 'event'),
  },
];
