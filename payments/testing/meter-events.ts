/**
 * Usage for billing: https://docs.stripe.com/api/billing/meter-event. A wrong time and a repeated
 * identifier are told at once; a meter or customer that isn't there only later, by an event of
 * another kind (v1.billing.meter.error_report_triggered): here, by `problem`.
 */
import type Stripe from 'stripe';
import type { Account, MeteredUsage } from './account.ts';
import { invalidParameter, refusal } from './api-error.ts';
import type { Params } from './form-body.ts';
import * as read from './parameters.ts';
import type { Route } from './route.ts';

const DAY_SECONDS = 86_400;
/** "Must be within the past 35 calendar days or up to 5 minutes in the future." */
const OLDEST_SECONDS = 35 * DAY_SECONDS;
const FUTURE_SECONDS = 300;
/** "We will enforce uniqueness within a rolling period of at least 24 hours." */
const UNIQUE_SECONDS = DAY_SECONDS;
/** "You can only cancel events within 24 hours of Stripe receiving them." */
const CANCELABLE_SECONDS = DAY_SECONDS;
const IDENTIFIER_CHARACTERS = 100;

function readTime(account: Account, params: Params): number {
  const now = account.nowSeconds();
  const at = read.integer(params, 'timestamp') ?? now;
  const oldest = now - OLDEST_SECONDS;
  if (at < oldest) {
    const message = `The event timestamp cannot be more than 35 days in past. Expected a timestamp greater than or equal to ${oldest}.`;
    throw refusal(null, message, { param: 'timestamp' });
  }
  if (at > now + FUTURE_SECONDS) {
    const message = `The event timestamp cannot be more than 5 minutes in the future. Expected a timestamp less than or equal to ${now + FUTURE_SECONDS}.`;
    throw refusal(null, message, { param: 'timestamp' });
  }
  return at;
}

/**
 * Refused without a code: only the sentence tells it from other wrong requests
 * (langfuse/langfuse#16292 quotes the answer).
 */
function refuseRepeated(account: Account, identifier: string): void {
  const since = account.nowSeconds() - UNIQUE_SECONDS;
  const known = account.usage.some(
    ({ event }) => event.identifier === identifier && event.created > since,
  );
  if (!known) return;
  throw refusal(null, `An event already exists with identifier ${identifier}.`);
}

function create(account: Account, params: Params): Stripe.Billing.MeterEvent {
  const name = read.requiredText(params, 'event_name');
  const payload = read.nested(params, 'payload');
  if (payload === null) read.requiredText(params, 'payload');
  const meter = [...account.meters.values()].find((it) => it.event_name === name);
  const customerKey = meter?.customer_mapping.event_payload_key ?? 'stripe_customer_id';
  const valueKey = meter?.value_settings.event_payload_key ?? 'value';
  const customer = read.requiredText(params, `payload.${customerKey}`);
  const value = Number(read.requiredText(params, `payload.${valueKey}`));
  if (!Number.isFinite(value)) {
    const message = `Invalid value for the meter event: ${read.text(params, `payload.${valueKey}`)}`;
    throw invalidParameter(`payload[${valueKey}]`, 'meter_event_invalid_value', message);
  }
  const identifier = read.text(params, 'identifier') ?? account.newId('idmp');
  if (identifier.length > IDENTIFIER_CHARACTERS) {
    const message = `Invalid string: must be at most ${IDENTIFIER_CHARACTERS} characters`;
    throw invalidParameter('identifier', 'parameter_invalid_string', message);
  }
  const timestamp = readTime(account, params);
  refuseRepeated(account, identifier);
  const event: Stripe.Billing.MeterEvent = {
    object: 'billing.meter_event',
    created: account.nowSeconds(),
    event_name: name,
    identifier,
    livemode: false,
    payload: { ...payload } as Record<string, string>,
    timestamp,
  };
  let problem: MeteredUsage['problem'] = null;
  if (meter === undefined) problem = 'no_meter';
  else if (meter.status !== 'active') problem = 'archived_meter';
  else if (!account.customers.has(customer)) problem = 'meter_event_customer_not_found';
  account.usage.push({ event, customer, value, isCanceled: false, problem });
  return event;
}

function cancel(account: Account, params: Params): Stripe.Billing.MeterEventAdjustment {
  read.oneOf(params, 'type', ['cancel'] as const);
  const name = read.requiredText(params, 'event_name');
  const identifier = read.requiredText(params, 'cancel.identifier');
  // An identifier may be used again after its day: the last one is meant.
  const usage = account.usage.findLast(
    ({ event }) => event.identifier === identifier && event.event_name === name,
  );
  const param = 'cancel[identifier]';
  if (usage === undefined) {
    const message = `No meter event found with identifier ${identifier}.`;
    throw refusal('resource_missing', message, { param });
  }
  if (usage.event.created < account.nowSeconds() - CANCELABLE_SECONDS) {
    const message = `You can only cancel meter events within 24 hours of Stripe receiving them: ${identifier}.`;
    throw refusal(null, message, { param });
  }
  usage.isCanceled = true;
  return {
    object: 'billing.meter_event_adjustment',
    cancel: { identifier },
    event_name: name,
    livemode: false,
    status: 'pending',
    type: 'cancel',
  };
}

export const meterEventRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/billing/meter_events',
    takes: ['event_name', 'payload', 'identifier', 'timestamp'],
    answer: ({ account, params }) => create(account, params),
  },
  {
    method: 'POST',
    path: '/v1/billing/meter_event_adjustments',
    takes: ['event_name', 'type', 'cancel'],
    answer: ({ account, params }) => cancel(account, params),
  },
];
