/**
 * Stripe's side of a fuzzed product: a person pays in a page, money goes back, and what came of it is
 * told by signed webhooks. These are kept: sent again, spoiled, and signed by others they are requests
 * like any.
 */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import type { Ask } from './asking.ts';
import type { ApiAnswer, ApiRequest } from './exchange.ts';
import { type Spoiling, spoiled, spoilings } from './hostile.ts';
import { PICKS } from './pool.ts';
import { picks } from './wish.ts';

export const WEBHOOK_PATH = '/v1/webhooks/stripe';
const TOO_OLD_SECONDS = 86_400;
const CARDS = [
  ...['pm_card_visa', 'pm_card_visa', 'pm_card_mastercard', 'pm_card_chargeCustomerFail'],
  ...['pm_card_visa_chargeDeclined', 'pm_card_createDispute', 'pm_card_createDisputeInquiry'],
  ...['pm_card_authenticationRequired', 'pm_card_pendingRefund'],
];
const PAGE_CARDS = ['4242424242424242', '4000000000000002', '4000002500003155'];

export interface StripeMeans {
  /** of its API */
  url: string;
  secretKey: string;
  webhookSecret: string;
}

/** What a person does once a payment was begun, and the shop afterwards. */
export interface Deed {
  pays: boolean;
  card: number;
  /** null: nothing is given back; else cents, if the payment has so many */
  refundCents: number | null;
}
export const deeds: fc.Arbitrary<Deed> = fc.record({
  pays: picks.map((pick) => pick % 3 === 0),
  card: picks,
  refundCents: fc.constantFrom(null, null, null, 1, 100, 999),
});

export interface EventDraft {
  /** which of those that were told */
  pick: number;
  /** as another event */
  isNew: boolean;
  spoiling: Spoiling | null;
  signed: 'well' | 'badly' | 'long ago' | 'not';
}
export const eventDrafts: fc.Arbitrary<EventDraft> = fc.record({
  pick: picks,
  isNew: fc.boolean(),
  spoiling: fc.oneof(fc.constant(null), spoilings),
  signed: fc.oneof(
    { arbitrary: fc.constant('well' as const), weight: 8 },
    fc.constantFrom('badly' as const, 'long ago' as const, 'not' as const),
  ),
});

export interface StripePage {
  /** Does it for what was begun by this answer, and tells of it. @throws Error: not taken down */
  after(answer: ApiAnswer, deed: Deed): Promise<void>;
  /** null: nothing was told yet. */
  webhook(draft: EventDraft): Pick<ApiRequest, 'headers' | 'body'> | null;
}

interface StripeEvent {
  id: string;
  data: { object: object };
}
interface Begun {
  clientSecret?: unknown;
  checkoutUrl?: unknown;
}

export function openStripePage(means: StripeMeans, ask: Ask): StripePage {
  const events: StripeEvent[] = [];
  let made = 0;

  async function post(path: string, fields: Record<string, string>): Promise<Response> {
    const response = await fetch(new URL(path, means.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${means.secretKey}` },
      body: new URLSearchParams(fields),
      redirect: 'manual',
    });
    await response.arrayBuffer();
    return response;
  }

  function signed(body: string, how: EventDraft['signed']): Record<string, string> {
    const headers = { 'content-type': 'application/json' };
    if (how === 'not') return headers;
    const now = Math.floor(Date.now() / 1_000);
    const at = how === 'long ago' ? now - TOO_OLD_SECONDS : now;
    const secret = how === 'badly' ? 'whsec_of-somebody-else' : means.webhookSecret;
    const proof = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
    return { ...headers, 'stripe-signature': `t=${at},v1=${proof}` };
  }

  /** What there is since the last time, in order. */
  async function tell(): Promise<void> {
    const last = events.at(-1);
    const since = last === undefined ? '' : `&ending_before=${last.id}`;
    const response = await fetch(new URL(`/v1/events?limit=100${since}`, means.url), {
      headers: { authorization: `Bearer ${means.secretKey}` },
    });
    const { data = [] } = (await response.json()) as { data?: StripeEvent[] };
    for (const event of data.reverse()) {
      events.push(event);
      const body = JSON.stringify(event);
      const request = { body, headers: signed(body, 'well'), credentials: 'none' as const };
      const { status, text } = await ask('POST', WEBHOOK_PATH, request);
      if (status === 200) continue;
      throw new Error(
        `then Stripe told ${body.slice(0, 600)}, and was answered ${status}: ${text}`,
      );
    }
  }

  return {
    async after({ type, text }, { pays, card, refundCents }) {
      if (!/json/.test(type)) return;
      const { clientSecret, checkoutUrl } = JSON.parse(text) as Begun;
      if (pays && typeof checkoutUrl === 'string') {
        await post(checkoutUrl, { number: PAGE_CARDS[card % PAGE_CARDS.length]! });
      } else if (pays && typeof clientSecret === 'string') {
        const id = clientSecret.split('_secret')[0]!;
        const kind = id.startsWith('seti_') ? 'setup_intents' : 'payment_intents';
        const way = { return_url: 'https://app.example/paid' };
        const with_ = { payment_method: CARDS[card % CARDS.length]!, ...way };
        await post(`/v1/${kind}/${id}/confirm`, with_);
        if (refundCents !== null && kind === 'payment_intents') {
          await post('/v1/refunds', { payment_intent: id, amount: String(refundCents) });
        }
      } else if (typeof clientSecret !== 'string') return;
      await tell();
    },
    webhook({ pick, isNew, spoiling, signed: how }) {
      const event = events[Math.floor((pick / PICKS) * events.length)];
      if (event === undefined) return null;
      made += 1;
      const own = isNew ? { ...event, id: `evt_fuzz${made}` } : event;
      // Spoiled within: what Stripe signs has at least the form of an event.
      const sent = spoiling === null ? own : { ...own, data: spoiled(own.data, spoiling) };
      const body = JSON.stringify(sent);
      return { body, headers: signed(body, how) };
    },
  };
}
