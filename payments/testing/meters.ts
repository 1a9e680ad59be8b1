/** Billing meters: https://docs.stripe.com/api/billing/meter */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { refusal } from './api-error.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import * as read from './parameters.ts';
import type { Route } from './route.ts';

export interface NewMeter {
  eventName: string;
  displayName?: string;
  customerKey?: string;
  valueKey?: string;
}

export function createMeter(
  account: Account,
  { eventName, displayName = eventName, customerKey, valueKey }: NewMeter,
): Stripe.Billing.Meter {
  const taken = [...account.meters.values()].some(
    (it) => it.event_name === eventName && it.status === 'active',
  );
  if (taken) {
    const message = `An active meter with event name ${eventName} exists already.`;
    throw refusal('resource_already_exists', message, { param: 'event_name' });
  }
  const now = account.nowSeconds();
  const meter: Stripe.Billing.Meter = {
    id: account.newId('mtr'),
    object: 'billing.meter',
    created: now,
    customer_mapping: { event_payload_key: customerKey ?? 'stripe_customer_id', type: 'by_id' },
    default_aggregation: { formula: 'sum' },
    display_name: displayName,
    event_name: eventName,
    event_time_window: null,
    livemode: false,
    status: 'active',
    status_transitions: { deactivated_at: null },
    updated: now,
    value_settings: { event_payload_key: valueKey ?? 'value' },
  };
  account.meters.set(meter.id, meter);
  account.emit('billing.meter.created', meter);
  return meter;
}

/** What Stripe would bill: without canceled events and those it reports as wrong. */
export function meteredSum(account: Account, eventName: string, customer: string): number {
  return account.usage
    .filter((it) => it.event.event_name === eventName && it.customer === customer)
    .filter((it) => it.problem === null && !it.isCanceled)
    .reduce((sum, { value }) => sum + value, 0);
}

export const meterRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/billing/meters',
    takes: [
      ...['display_name', 'event_name', 'default_aggregation', 'customer_mapping'],
      ...['value_settings', 'event_time_window'],
    ],
    answer({ account, params }) {
      const customerKey = read.text(params, 'customer_mapping.event_payload_key');
      const valueKey = read.text(params, 'value_settings.event_payload_key');
      return createMeter(account, {
        eventName: read.requiredText(params, 'event_name'),
        displayName: read.requiredText(params, 'display_name'),
        ...(customerKey === null ? {} : { customerKey }),
        ...(valueKey === null ? {} : { valueKey }),
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/billing/meters/:id',
    takes: [],
    answer: ({ account, id }) => find(account.meters, id, 'billing.meter'),
  },
  {
    method: 'POST',
    path: '/v1/billing/meters/:id/deactivate',
    takes: [],
    answer({ account, id }) {
      const meter = find(account.meters, id, 'billing.meter');
      meter.status = 'inactive';
      meter.status_transitions.deactivated_at = account.nowSeconds();
      account.emit('billing.meter.deactivated', meter);
      return meter;
    },
  },
  {
    method: 'GET',
    path: '/v1/billing/meters',
    takes: ['status', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const status = read.text(params, 'status');
      const fits = (it: Stripe.Billing.Meter) => status === null || it.status === status;
      return page('/v1/billing/meters', account.meters.values(), params, fits);
    },
  },
];
