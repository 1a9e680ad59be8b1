/** All that one Stripe account knows, in memory. */
import { createHash } from 'node:crypto';
import Stripe from 'stripe';
import type { Notification } from '../notification.ts';
import { ApiError, refusal } from './api-error.ts';
import type { TestCard } from './cards.ts';

/** As many as Stripe's ids have after their prefix. */
const ID_CHARACTERS = 24;

export interface IntentChange {
  intent: Stripe.PaymentIntent;
  to: 'succeeded' | 'failed' | 'processing';
}

export interface Account {
  /** Where the fake is heard; set once it listens. */
  baseUrl: string;
  /** The request being answered, for the events it makes; answers never overlap. */
  request: { id: string; idempotency_key: string | null } | null;
  /** Confirmed payments stay `processing` while true. */
  isHolding: boolean;
  nowMs(): number;
  nowSeconds(): number;
  newId(prefix: string): string;
  emit(type: Stripe.Event['type'], object: object, previous?: object): void;
  /** Whoever must hear of each event (webhooks), and of a payment's end (checkout sessions). */
  onEvent: Array<(event: Stripe.Event) => void>;
  onIntent: Array<(change: IntentChange) => void>;
  customers: Map<string, Stripe.Customer>;
  /** Still told of, by their id alone. */
  deletedCustomers: Set<string>;
  methods: Map<string, Stripe.PaymentMethod>;
  /** The test card behind each payment method. */
  cards: Map<string, TestCard>;
  /** Payment methods that may be charged without the person there. */
  setUp: Set<string>;
  intents: Map<string, Stripe.PaymentIntent>;
  setupIntents: Map<string, Stripe.SetupIntent>;
  charges: Map<string, Stripe.Charge>;
  refunds: Map<string, Stripe.Refund>;
  disputes: Map<string, Stripe.Dispute>;
  sessions: Map<string, Stripe.Checkout.Session>;
  /** What a checkout session does once it is paid: Stripe makes its payment only then. */
  sessionPayments: Map<string, SessionPayment>;
  /** What is told of them; the last that was said holds. */
  invoices: Map<string, { id: string; object: string }>;
  meters: Map<string, Stripe.Billing.Meter>;
  /** Oldest first. */
  usage: MeteredUsage[];
  /** Oldest first. */
  events: Stripe.Event[];
  /** In full; what is sent of them says less. */
  notifications: Map<string, Notification & { data: object }>;
}

export interface MeteredUsage {
  event: Stripe.Billing.MeterEvent;
  customer: string;
  value: number;
  isCanceled: boolean;
  /** What Stripe would report later; null: it counts. */
  problem: 'no_meter' | 'archived_meter' | 'meter_event_customer_not_found' | null;
}

export interface SessionPayment {
  metadata: Record<string, string>;
  setupFutureUsage: Stripe.PaymentIntent.SetupFutureUsage | null;
  description: string | null;
  receiptEmail: string | null;
}

/** Equal seeds give equal ids in the same order. */
function idsFrom(seed: number): (prefix: string) => string {
  let made = 0;
  return (prefix) => {
    made += 1;
    const digest = createHash('sha512').update(`${seed}/${made}`).digest('base64');
    return `${prefix}_${digest.replace(/[^A-Za-z0-9]/g, '').slice(0, ID_CHARACTERS)}`;
  };
}

export function createAccount(seed: number, nowMs: () => number): Account {
  const account: Account = {
    baseUrl: '',
    request: null,
    isHolding: false,
    nowMs,
    nowSeconds: () => Math.floor(nowMs() / 1_000),
    newId: idsFrom(seed),
    emit(type, object, previous) {
      const data = previous === undefined ? { object } : { object, previous_attributes: previous };
      const event = {
        id: account.newId('evt'),
        object: 'event',
        api_version: Stripe.API_VERSION,
        created: account.nowSeconds(),
        // As it was at this moment: an event never changes.
        data: structuredClone(data),
        livemode: false,
        pending_webhooks: 0,
        request: account.request ?? { id: null, idempotency_key: null },
        type,
      } as unknown as Stripe.Event;
      account.events.push(event);
      for (const hear of account.onEvent) hear(event);
    },
    onEvent: [],
    onIntent: [],
    customers: new Map(),
    deletedCustomers: new Set(),
    methods: new Map(),
    cards: new Map(),
    setUp: new Set(),
    intents: new Map(),
    setupIntents: new Map(),
    charges: new Map(),
    refunds: new Map(),
    disputes: new Map(),
    sessions: new Map(),
    sessionPayments: new Map(),
    invoices: new Map(),
    meters: new Map(),
    usage: [],
    events: [],
    notifications: new Map(),
  };
  return account;
}

/**
 * @param param the parameter that named it; none: the path did
 * @throws ApiError 404 for a path, 400 for a parameter (code `resource_missing` both)
 */
export function find<Kind extends { object: string }>(
  map: ReadonlyMap<string, Kind>,
  id: string,
  kind: string,
  param?: string,
): Kind {
  const found = map.get(id);
  if (found !== undefined) return found;
  const message = `No such ${kind}: '${id}'`;
  if (param !== undefined) throw refusal('resource_missing', message, { param });
  throw new ApiError(404, {
    type: 'invalid_request_error',
    code: 'resource_missing',
    message,
    param: 'id',
  });
}
