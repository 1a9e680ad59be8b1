/** What Stripe tells: which events are believed, and that each has its effect once. */
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../../drizzle/client.ts';
import { stripeEvents } from '../../../drizzle/schema/payments.ts';
import { METER_TROUBLES } from '../../../payments/notification.ts';
import type { PaymentRow } from '../../../payments/payment-state.ts';
import { START, startTestHttp, type TestHttp } from '../test-http.ts';
import { MOST_FORGERIES } from './forgeries.ts';
import { MAX_STRIPE_EVENT_BYTES } from './stripe-webhook.ts';
import {
  deliver,
  eventOf,
  intentOf,
  madePurchase,
  OLD_SECRET,
  SECRET,
  signatureOf,
  type TestEvent,
  testPayments,
  WEBHOOK,
} from './test-events.ts';

const HOUR_MS = 3_600_000;
let http: TestHttp;

beforeAll(async () => {
  http = await startTestHttp({ payments: testPayments() });
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  for (const org of ['acme', 'globex']) {
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
  }
});
afterAll(() => http?.stop());

const shown = async ({ id, org }: PaymentRow) =>
  (await http.call('GET', `/v1/orgs/${org}/extra-minutes/purchases/${id}`)).body;
const stored = async ({ id }: TestEvent) =>
  (await http.db.select().from(stripeEvents).where(eq(stripeEvents.id, id)))[0];
const paidEvent = (row: PaymentRow, more = {}) =>
  eventOf('payment_intent.succeeded', intentOf(row, 'succeeded'), more);

describe('an event', () => {
  it('that says paid gives the minutes, and is kept without its secret', async () => {
    const row = await madePurchase(http);
    const event = paidEvent(row);
    const { status, body } = await deliver(http, event);
    expect([status, body]).toEqual([200, { received: true }]);
    expect(await shown(row)).toMatchObject({ status: 'paid', lot: { usedMs: 0 } });
    const kept = await stored(event);
    expect(kept).toMatchObject({ effect: 'applied', org: 'acme', payment: row.id });
    expect(JSON.stringify(kept!.payload)).not.toContain('of-the-browser');
    expect(JSON.stringify(kept!.payload)).toContain(row.paymentIntent);
  });

  it('has its effect once, however often it comes and at the same time', async () => {
    const row = await madePurchase(http);
    const before = (await http.call('GET', '/v1/orgs/acme/extra-minutes')).body.remainingMs;
    const event = paidEvent(row);
    const answers = await Promise.all(Array.from({ length: 6 }, () => deliver(http, event)));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    // As the first one left it.
    expect((await stored(event))!.effect).toBe('applied');
    const other = await deliver(http, paidEvent(row, { created: 1_001 }));
    expect(other.status).toBe(200);
    const { body } = await http.call('GET', '/v1/orgs/acme/extra-minutes');
    expect(body.remainingMs).toBe(before + HOUR_MS);
  });

  it('is kept with whatever text there is, but for what no database keeps', async () => {
    const row = await madePurchase(http);
    const odd = { description: 'a\u0000b', metadata: { purchase: row.id, 'n\u0000': '\ud800' } };
    const event = eventOf('payment_intent.succeeded', intentOf(row, 'succeeded', odd));
    expect((await deliver(http, event)).status).toBe(200);
    expect((await shown(row)).status).toBe('paid');
    expect((await stored(event))!.payload).toMatchObject({
      data: { object: { description: 'a\ufffdb', metadata: { 'n\ufffd': '\ufffd' } } },
    });
  });

  it('that is signed and has not the form of its type is refused, and nothing is done', async () => {
    const row = await madePurchase(http);
    const intent = intentOf(row, 'succeeded');
    for (const event of [
      paidEvent(row, { data: null }),
      paidEvent(row, { created: 'yesterday' }),
      eventOf('payment_intent.payment_failed', {
        ...intent,
        last_payment_error: undefined,
        status: 'canceled',
      }),
      eventOf('refund.created', {
        id: 're_odd',
        amount: 'much',
        status: 'succeeded',
        payment_intent: row.paymentIntent!,
      }),
    ]) {
      const { status, body } = await deliver(http, event);
      expect([status, body.code], JSON.stringify(event)).toEqual([400, 'webhookInvalid']);
      expect(await stored(event)).toBeUndefined();
    }
    expect((await shown(row)).status).toBe('open');
  });

  it('says why a payment failed, and later that it is paid after all', async () => {
    const row = await madePurchase(http);
    const error = { type: 'card_error', code: 'card_declined', decline_code: 'lost_card' };
    const failed = intentOf(row, 'requires_payment_method', {
      last_payment_error: { ...error, message: 'Your card was declined.' },
    });
    await deliver(http, eventOf('payment_intent.payment_failed', failed));
    expect(await shown(row)).toMatchObject({
      ...{ status: 'failed', failure: { code: 'lost_card', message: 'Your card was declined.' } },
    });
    await deliver(http, paidEvent(row, { created: 1_010 }));
    await deliver(http, eventOf('payment_intent.processing', intentOf(row, 'processing')));
    expect(await shown(row)).toMatchObject({ status: 'paid', failure: null });
  });

  it('of refunds and disputes is found by the intent alone', async () => {
    const row = await madePurchase(http);
    const of = { payment_intent: row.paymentIntent, metadata: {} };
    await deliver(http, paidEvent(row));
    const charge = { id: 'ch_1', object: 'charge', amount_refunded: 300, ...of };
    await deliver(http, eventOf('charge.refunded', charge));
    const refund = {
      id: `re_${row.id}`,
      object: 'refund',
      amount: 300,
      status: 'succeeded',
      ...of,
    };
    await deliver(http, eventOf('refund.created', refund));
    expect(await shown(row)).toMatchObject({ refundedCents: 300, dispute: null });
    const dispute = {
      id: `du_${row.id}`,
      object: 'dispute',
      ...{ amount: 699, currency: 'usd' },
      reason: 'general',
      ...of,
    };
    await deliver(
      http,
      eventOf('charge.dispute.created', { ...dispute, status: 'needs_response' }),
    );
    expect((await shown(row)).dispute).toBe('open');
    await deliver(http, eventOf('charge.dispute.closed', { ...dispute, status: 'won' }));
    expect((await shown(row)).dispute).toBe('won');
  });

  it('of a checkout tells of its session and its intent', async () => {
    const row = await madePurchase(http, { method: 'checkout', paymentIntent: null });
    const session = {
      ...{ id: `cs_${row.id}`, object: 'checkout.session', payment_intent: `pi_late_${row.id}` },
      ...{ status: 'complete', payment_status: 'paid', amount_total: 999, currency: 'usd' },
      metadata: { purchase: row.id, org: 'acme' },
    };
    await deliver(http, eventOf('checkout.session.completed', session));
    expect((await shown(row)).status).toBe('paid');
    const of = { payment_intent: `pi_late_${row.id}`, metadata: {} };
    const charge = { id: 'ch_2', object: 'charge', amount_refunded: 999, ...of };
    const event = eventOf('charge.refunded', charge);
    await deliver(http, event);
    expect((await stored(event))!.effect).toBe('applied');
  });

  it('that means nothing here is kept, and nothing else', async () => {
    for (const event of [
      eventOf('customer.created', { id: 'cus_1', object: 'customer' }),
      eventOf('a.kind.nobody.knows', { id: 'x' }),
      eventOf('payment_intent.succeeded', {
        id: 'pi_of_others',
        status: 'succeeded',
        metadata: {},
      }),
      eventOf('payment_intent.succeeded', {
        ...intentOf(await madePurchase(http), 'a_state_nobody_knows'),
      }),
    ]) {
      expect((await deliver(http, event)).status).toBe(200);
      expect((await stored(event))!.effect).toBe('unknown');
    }
  });

  it('that only says that overage could not be used is kept, for the worker to ask', async () => {
    const thin = { object: 'v2.core.event', created: '2026-05-20T12:00:00.500Z', livemode: false };
    const trouble = { ...thin, id: 'evt_test_1', type: METER_TROUBLES[0]! };
    const other = { ...thin, id: 'evt_test_2', type: 'v1.billing.meter.created' };
    for (const event of [trouble, trouble, other]) {
      expect((await deliver(http, JSON.stringify(event))).status).toBe(200);
    }
    const [kept] = await http.db.select().from(stripeEvents).where(eq(stripeEvents.id, trouble.id));
    expect(kept).toMatchObject({ effect: 'waiting', createdAt: START + 500, org: null });
    expect((await stored(other as unknown as TestEvent))!.effect).toBe('unknown');
    expect(http.logged.filter((line) => line.includes('could not use overage'))).toHaveLength(1);
  });

  it('that fits no purchase is refused and said in the log, and gives nothing', async () => {
    const row = await madePurchase(http);
    const other = await madePurchase(http, { org: 'globex' });
    const bare = await madePurchase(http, { paymentIntent: null });
    const unfit = [
      intentOf(row, 'succeeded', { amount_received: 998 }),
      intentOf(row, 'succeeded', { currency: 'eur' }),
      intentOf(row, 'succeeded', { metadata: { purchase: row.id, org: 'globex' } }),
      { ...intentOf(row, 'succeeded'), id: other.paymentIntent },
    ];
    // Of a purchase without an intent yet, by the intent of another one.
    const stolen = intentOf(bare, 'succeeded', { id: other.paymentIntent });
    for (const object of [...unfit, stolen]) {
      const event = eventOf('payment_intent.succeeded', object);
      expect((await deliver(http, event)).status).toBe(200);
      const kept = await stored(event);
      const payment = object === stolen ? bare.id : row.id;
      expect(kept).toMatchObject({ effect: 'refused', payment });
      expect(kept!.detail).toBeTruthy();
      expect(http.logged.join('')).toContain(event.id);
    }
    expect((await shown(row)).status).toBe('open');
    expect((await shown(other)).status).toBe('open');
    expect((await shown(bare)).status).toBe('open');
  });
});

describe('an event of an intent that nobody has yet', () => {
  const refundOf = (intent: string) =>
    eventOf('charge.refunded', {
      ...{ id: 'ch_9', object: 'charge', amount_refunded: 999, payment_intent: intent },
      metadata: {},
    });

  it('waits, and has its effect when the payment learns its intent', async () => {
    const row = await madePurchase(http, { paymentIntent: null });
    const early = refundOf(`pi_${row.id}`);
    await deliver(http, early);
    expect((await stored(early))!.effect).toBe('waiting');
    await deliver(http, paidEvent(row));
    expect(await stored(early)).toMatchObject({ effect: 'applied', payment: row.id, org: 'acme' });
    expect(await shown(row)).toMatchObject({ status: 'paid', refundedCents: 999 });
    expect((await shown(row)).lot.reversedMs).toBe(HOUR_MS);
  });

  it('is not missed where both come at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const row = await madePurchase(http, { paymentIntent: null });
      const early = refundOf(`pi_${row.id}`);
      await Promise.all([deliver(http, early), deliver(http, paidEvent(row))]);
      expect((await stored(early))!.effect).toBe('applied');
      expect((await shown(row)).refundedCents).toBe(999);
    }
  });
});

describe('a webhook is not believed', () => {
  let row: PaymentRow;
  let events: number;
  beforeAll(async () => {
    row = await madePurchase(http);
    events = (await http.db.select().from(stripeEvents)).length;
  });
  const send = (body: string, signature: string | null, call = http.call) =>
    call('POST', WEBHOOK, body, {
      as: null,
      headers: signature === null ? {} : { 'stripe-signature': signature },
    });
  async function expectRefused(answer: { status: number; body: { code: string } }) {
    expect([answer.status, answer.body.code]).toEqual([400, 'webhookInvalid']);
    expect((await shown(row)).status).toBe('open');
    expect(await http.db.select().from(stripeEvents)).toHaveLength(events);
  }
  const text = (event = paidEvent(row)) => JSON.stringify(event);
  const signed = (body: string, more = {}) => signatureOf(body, { at: http.now(), ...more });

  it('that is not signed, or by somebody else', async () => {
    await expectRefused(await send(text(), null));
    await expectRefused(await send(text(), 'nothing at all'));
    await expectRefused(await send(text(), signed(text(), { secret: 'whsec_guessed' })));
    const forged = signed(text()).replace(/v1=..../, 'v1=0000');
    await expectRefused(await send(text(), forged));
  });

  it('whose body is not byte for byte what was signed', async () => {
    const event = paidEvent(row);
    const pretty = JSON.stringify(event, null, 2);
    // The same event, parsed and written again on its way.
    await expectRefused(await send(JSON.stringify(event), signed(pretty)));
    await expectRefused(await send(`${pretty}\n`, signed(pretty)));
    const other = pretty.replace('"amount_received": 999', '"amount_received": 9990');
    expect(other).not.toBe(pretty);
    await expectRefused(await send(other, signed(pretty)));
  });

  it('that was signed more than five minutes ago', async () => {
    const body = text();
    const stale = await send(body, signed(body, { at: http.now() - 301_000 }));
    await expectRefused(stale);
    expect(stale.body.detail).toContain('too long ago');
  });

  it('of the other mode', async () => {
    await expectRefused(await deliver(http, paidEvent(row, { livemode: true })));
  });

  it('that is no event, though it is signed', async () => {
    await expectRefused(await deliver(http, 'no JSON'));
    await expectRefused(await deliver(http, '[]'));
    await expectRefused(await deliver(http, 'null'));
  });

  it('and is, with the very bytes, in time, by the present secret or the one before', async () => {
    const fresh = await madePurchase(http);
    const event = paidEvent(fresh);
    const old = await deliver(http, event, { secret: OLD_SECRET, at: http.now() - 299_000 });
    expect(old.status).toBe(200);
    expect((await shown(fresh)).status).toBe('paid');
    expect((await deliver(http, event, { secret: SECRET })).status).toBe(200);
  });
});

describe('the address of webhooks', () => {
  it('takes events beyond other bodies, and not any size', async () => {
    const filled = (bytes: number) =>
      eventOf('customer.updated', { id: 'cus_2', note: 'x'.repeat(bytes) });
    expect((await deliver(http, filled(200_000))).status).toBe(200);
    const answer = await deliver(http, filled(MAX_STRIPE_EVENT_BYTES));
    expect([answer.status, answer.body.code]).toEqual([413, 'bodyTooLarge']);
    const other = await http.call('POST', '/v1/orgs/acme/check', { user: 'x'.repeat(200_000) });
    expect(other.status).toBe(413);
  });

  it('is for no page, whatever origins there are', async () => {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
    const asked = await http.call('OPTIONS', WEBHOOK, undefined, { as: null, headers });
    expect(asked.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('looks at so many forgeries of an address, and at all that comes from Stripe', async () => {
    const from =
      (address: string): TestHttp['call'] =>
      (method, path, body, options) =>
        http.call(method, path, body, { ...options, address });
    const event = eventOf('customer.updated', { id: 'cus_3' });
    const forge = (address: string) =>
      deliver(http, event, { secret: 'whsec_guessed' }, from(address));
    for (let i = 0; i < MOST_FORGERIES; i++) {
      expect((await forge('198.51.100.1')).status).toBe(400);
    }
    const refused = await forge('198.51.100.1');
    expect([refused.status, refused.body.code]).toEqual([429, 'rateLimited']);
    expect(refused.headers.get('retry-after')).toBe('1');
    // Not even a good one: its body is not looked at.
    expect((await deliver(http, event, {}, from('198.51.100.1'))).status).toBe(429);
    const burst = Array.from({ length: 2 * MOST_FORGERIES }, () =>
      deliver(http, event, {}, from('198.51.100.2')),
    );
    expect(new Set((await Promise.all(burst)).map(({ status }) => status))).toEqual(new Set([200]));
    for (let i = 0; i < MOST_FORGERIES + 1; i++) {
      expect((await forge('198.51.100.2')).status).toBe(400);
    }
  });

  it('answers 503 while the ledger is away, so that Stripe comes again', async () => {
    const away = connect('postgres://nobody@127.0.0.1:1/none');
    const call = http.with({ db: away.tenants });
    const row = await madePurchase(http);
    const event = paidEvent(row);
    expect((await deliver(http, event, {}, call)).status).toBe(503);
    await away.stop();
    expect(await stored(event)).toBeUndefined();
    expect((await deliver(http, event)).status).toBe(200);
    expect((await shown(row)).status).toBe('paid');
  });

  it('says what to set where no secret is', async () => {
    const call = http.with({ payments: testPayments({ webhookSecrets: [] }) });
    const answer = await deliver(http, eventOf('x', {}), {}, call);
    expect([answer.status, answer.body.code]).toEqual([409, 'paymentsNotConfigured']);
    expect(answer.body.detail).toContain('STRIPE_WEBHOOK_SECRETS');
  });
});
