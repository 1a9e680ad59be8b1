/**
 * A payment reaches a recording that runs, on the whole product: a purchase by ticket, paid at a Stripe
 * on this machine, whose webhook comes to the gateway's port.
 */
import { randomBytes } from 'node:crypto';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type FakeStripe, startFakeStripe } from '../payments/testing/fake-stripe.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

const HOUR_MS = 3_600_000;
const SECONDS = 1 / 60;
/** Of a second on a quiet machine. */
const PATIENCE_MS = 5_000;
/** Beyond any other body, and within what an event may have. */
const LONG_CHARACTERS = 200_000;

interface Purchase {
  purchase: string;
  status: string;
  clientSecret: string;
  lot: { usedMs: number } | null;
}

describe('a payment', () => {
  const secret = `whsec_${randomBytes(12).toString('hex')}`;
  let fake: FakeStripe;
  let product: TestProduct;
  beforeAll(async () => {
    fake = await startFakeStripe();
    product = await startTestProduct({
      gateways: 2,
      intervalMs: 500,
      env: {
        STRIPE_API_URL: fake.url,
        ...{ STRIPE_SECRET_KEY: fake.secretKey, STRIPE_PUBLISHABLE_KEY: fake.publishableKey },
        STRIPE_WEBHOOK_SECRETS: `whsec_before,${secret}`,
      },
    });
    // Not the gateway that has the recorder: the other one hears of it all the same.
    const url = `${product.gateways[1]!.url}/v1/webhooks/stripe`;
    fake.webhooks.add({ url, secrets: secret });
  }, 120_000);
  afterAll(async () => {
    await product?.stop();
    await fake?.stop();
  });

  async function buy({ org, ticket }: Account): Promise<Purchase> {
    const path = `${product.gateways[0]!.url}/v1/orgs/${org}/extra-minutes/purchases`;
    const response = await fetch(path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await ticket('ann', { scopes: ['buy'] })}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ package: 'minutes-60' }),
    });
    expect(response.status).toBe(201);
    return response.json();
  }
  const intentOf = ({ clientSecret }: Purchase) => clientSecret.split('_secret_')[0]!;
  const shown = (org: string, { purchase }: Purchase) =>
    product.api<Purchase>('GET', `/v1/orgs/${org}/extra-minutes/purchases/${purchase}`);
  async function record(account: Account): Promise<TestRecorder> {
    const recorder = await connectRecorder(product.gateways[0]!.connectUrl);
    await recorder.start({ ticket: await account.ticket() });
    return recorder;
  }

  it('from the warning of a recording lets it go on past its old limit', async () => {
    const account = await createAccount(product, {
      minutes: 7 * SECONDS,
      thresholds: { percent: [], remainingMinutes: [6 * SECONDS] },
    });
    const recorder = await record(account);
    const warning = await recorder.next('warning');
    const limitAt = warning.reading.endsAt!;
    const purchase = await buy(account);
    const before = recorder.messages.length;
    const paidAt = performance.now();
    fake.pay(intentOf(purchase));
    const recovered = await recorder.next('recovered');
    expect(performance.now() - paidAt).toBeLessThan(PATIENCE_MS);
    expect(recovered.id).toBe(warning.id);
    const { reading } = await recorder.next('tick', (it) => it.reading.extraRemainingMs > 0);
    expect(reading.remainingMs).toBeGreaterThan(HOUR_MS - 1_000);
    expect(reading.endsAt! - limitAt).toBeGreaterThan(HOUR_MS - 60_000);
    // Past the old limit its minutes are those that were bought.
    const source = await recorder.next('source', ({ to }) => to === 'extra');
    expect(source.from).toBe('plan');
    await recorder.next('tick', (it) => it.reading.sessionMs > 7_500);
    const types = recorder.messages.slice(before).map(({ type }) => type);
    for (const type of ['stop', 'started', 'ended']) expect(types).not.toContain(type);
    await recorder.stop();
    await fake.webhooks.settled();
    expect(fake.webhooks.deliveries.map(({ status }) => status)).not.toContain(400);
    const row = await until(
      () => shown(account.org, purchase),
      ({ lot }) => (lot?.usedMs ?? 0) > 0,
    );
    expect(row.status).toBe('paid');
  });

  it('reaches every recording of the organization: of both gateways, paused, away, and no stopped one', async () => {
    const account = await createAccount(product, {
      minutes: 600 * SECONDS,
      thresholds: { percent: [], remainingMinutes: [596 * SECONDS] },
      saveWindowSeconds: 60,
    });
    await product.api('PUT', `/v1/orgs/${account.org}/members/eve`, { minutes: SECONDS });
    const at = async (gateway: number, user: string, options = {}) => {
      const recorder = await connectRecorder(product.gateways[gateway]!.connectUrl, options);
      const started = await recorder.start({ ticket: await account.ticket(user) });
      return Object.assign(recorder, { session: started.session });
    };
    const [ann, dan, bob, cat] = await Promise.all([
      ...[at(0, 'ann'), at(0, 'dan'), at(1, 'bob'), at(1, 'cat')],
    ] as const);
    const eve = await at(0, 'eve', { savesAfterMs: null });
    cat.send({ type: 'beat', seq: 0, state: 'paused' });
    expect(await eve.next('stop')).toMatchObject({ reason: 'limitReached', binding: 'member' });
    const warned = await Promise.all([ann, bob, cat, dan].map((it) => it.next('warning')));
    const { id } = warned[0]!;
    expect(warned.map((warning) => warning.id)).toEqual([id, id, id, id]);
    dan.cut();

    const purchase = await buy(account);
    fake.pay(intentOf(purchase));
    const isMore = (it: { reading: { remainingMs: number | null } }) =>
      it.reading.remainingMs! > HOUR_MS;
    for (const recorder of [ann, bob, cat]) {
      expect((await recorder.next('recovered')).id).toBe(id);
      await recorder.next('tick', isMore);
    }
    const again = await connectRecorder(product.gateways[1]!.connectUrl);
    const back = await again.resume({ session: dan.session, checkpoint: dan.checkpoint() });
    expect(back).toMatchObject({ resumed: true, warnings: [] });
    expect(isMore(back)).toBe(true);
    // A stop is final: what was bought meanwhile is for the next session.
    eve.send({ type: 'saved', ok: true });
    expect(await eve.next('ended')).toMatchObject({ reason: 'limitReached' });

    // Given back, the warning is armed again, by another id: who was told it has recovered is told anew.
    const stripe = new Stripe(fake.secretKey, {
      host: fake.host,
      port: fake.port,
      protocol: 'http',
    });
    await stripe.refunds.create({ payment_intent: intentOf(purchase) });
    const isOther = (it: { id: string }) => it.id !== id;
    const anew = await Promise.all([ann, bob, cat, again].map((it) => it.next('warning', isOther)));
    expect(new Set(anew.map((warning) => warning.id)).size).toBe(1);
    for (const recorder of [ann, bob, cat, again]) {
      const types = recorder.messages.map(({ type }) => type);
      expect(types.filter((type) => type === 'started')).toHaveLength(1);
      expect(types).not.toContain('stop');
      await recorder.stop();
    }
  });

  it('is not heard from whoever does not know the secret', async () => {
    const account = await createAccount(product, { minutes: 1 });
    const purchase = await buy(account);
    fake.webhooks.hold();
    fake.pay(intentOf(purchase));
    const [event] = fake.webhooks.held().filter(({ type }) => type === 'payment_intent.succeeded');
    for (const options of [{ secrets: ['whsec_guessed'] }, { signedAtMs: Date.now() - 301_000 }]) {
      const [delivery] = await fake.webhooks.deliver(event!, options);
      expect(delivery!.status).toBe(400);
      expect(JSON.parse(delivery!.answer).code).toBe('webhookInvalid');
    }
    const { body, headers } = fake.webhooks.sign(event!, [secret]);
    const url = `${product.gateways[0]!.url}/v1/webhooks/stripe`;
    const send = (text: string) => fetch(url, { method: 'POST', headers, body: text });
    expect((await send(JSON.stringify(JSON.parse(body)))).status).toBe(400);
    expect((await shown(account.org, purchase)).status).toBe('open');
    expect((await send(body)).status).toBe(200);
    expect((await shown(account.org, purchase)).status).toBe('paid');
    await fake.webhooks.release();
  });

  it('may be told in an event that is longer than other bodies', async () => {
    const note = 'x'.repeat(LONG_CHARACTERS);
    const long = { ...fake.account.events[0]!, id: 'evt_long', type: 'customer.updated', note };
    const { body, headers } = fake.webhooks.sign(long as never, [secret]);
    for (const [path, status] of [
      ['/v1/webhooks/stripe', 200],
      ['/v1/tickets', 413],
    ] as const) {
      const url = `${product.gateways[0]!.url}${path}`;
      const authorization = `Bearer ${product.apiKey}`;
      const init = { method: 'POST', headers: { ...headers, authorization }, body };
      expect([path, (await fetch(url, init)).status]).toEqual([path, status]);
    }
  });
});
