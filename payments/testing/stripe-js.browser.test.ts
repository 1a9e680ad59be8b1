/** The stand-in for Stripe.js in a real browser, on a page of another origin than the fake's. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findChromium } from '../../local/test-browser.ts';
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts';

const executablePath = findChromium();

describe.skipIf(executablePath === null)('the script of the page', () => {
  let fake: FakeStripe;
  let stripe: Stripe;
  let browser: Browser;
  let server: Server;
  let page: Page;

  beforeAll(async () => {
    fake = await startFakeStripe();
    stripe = new Stripe(fake.secretKey, { host: fake.host, port: fake.port, protocol: 'http' });
    server = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><script src="${fake.url}/v3/"></script><div id="card"></div>`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser.close();
    await fake.stop();
    await new Promise((resolve) => server.close(resolve));
  });

  let intent: Stripe.PaymentIntent;
  beforeEach(async () => {
    fake.holdConfirmations(false);
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    intent = await stripe.paymentIntents.create({ amount: 900, currency: 'usd' });
    await page.evaluate(
      ({ key, clientSecret }) => {
        const own = window as unknown as Record<string, never> & { Stripe: StripeLike };
        const script = own.Stripe(key);
        const elements = script.elements({ clientSecret });
        const element = elements.create('payment');
        element.on('ready', () => {
          document.title = 'ready';
        });
        element.mount('#card');
        Object.assign(own, {
          confirm: () => script.confirmPayment({ elements, redirect: 'if_required' }),
        });
      },
      { key: fake.publishableKey, clientSecret: intent.client_secret! },
    );
    await page.waitForFunction(() => document.title === 'ready');
  });

  type StripeLike = (key: string) => {
    elements(options: object): { create(type: string): ElementLike };
    confirmPayment(options: object): Promise<unknown>;
  };
  interface ElementLike {
    on(name: string, handle: () => void): void;
    mount(at: string): void;
  }

  const confirm = () =>
    page.evaluate(() => (window as unknown as { confirm(): Promise<unknown> }).confirm());
  const type = (number: string) => page.getByLabel('Card number').fill(number);

  it('pays', async () => {
    expect(await confirm()).toMatchObject({ error: { code: 'incomplete_number' } });
    await type('4242 4242 4242 4242');
    const result = (await confirm()) as { paymentIntent: Stripe.PaymentIntent };
    expect(result.paymentIntent).toMatchObject({ id: intent.id, status: 'succeeded' });
    // A page is told little.
    expect(Object.keys(result.paymentIntent)).not.toContain('metadata');
    expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('succeeded');
  });

  it('is declined, and another card may follow', async () => {
    await type('4000000000000002');
    expect(await confirm()).toMatchObject({
      error: { code: 'card_declined', payment_intent: { status: 'requires_payment_method' } },
    });
    await type('4242424242424242');
    expect(await confirm()).toMatchObject({ paymentIntent: { status: 'succeeded' } });
  });

  it('lets the bank ask in the page', async () => {
    await type('4000002500003155');
    const refused = confirm();
    await page.getByRole('button', { name: 'Fail authentication' }).click();
    expect(await refused).toMatchObject({
      error: { code: 'payment_intent_authentication_failure' },
    });
    const passed = confirm();
    await page.getByRole('button', { name: 'Complete authentication' }).click();
    expect(await passed).toMatchObject({ paymentIntent: { status: 'succeeded' } });
  });

  it('says processing while confirmations are held', async () => {
    fake.holdConfirmations(true);
    await type('4242424242424242');
    expect(await confirm()).toMatchObject({ paymentIntent: { status: 'processing' } });
    fake.settle(intent.id, 'succeeded');
  });
});
