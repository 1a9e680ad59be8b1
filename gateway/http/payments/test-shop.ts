/** A gateway's HTTP API that sells by a stand-in for Stripe, on one clock with it. */
import { connectStripe } from '../../../payments/stripe.ts';
import { type FakeStripe, startFakeStripe } from '../../../payments/testing/fake-stripe.ts';
import { START, startTestHttp, type TestHttp } from '../test-http.ts';
import { testPayments } from './test-events.ts';

export interface TestShop {
  http: TestHttp;
  fake: FakeStripe;
  stop(): Promise<void>;
}

/** @param orgs made with a plan of 60 minutes */
export async function startTestShop(...orgs: string[]): Promise<TestShop> {
  let now = () => START;
  const fake = await startFakeStripe({ now: () => now() });
  const { secretKey, publishableKey, url: apiUrl } = fake;
  const { settings } = testPayments({ secretKey, publishableKey, apiUrl });
  const http = await startTestHttp({ payments: { settings, stripe: connectStripe(settings) } });
  now = http.now;
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  for (const org of orgs) await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
  return {
    http,
    fake,
    async stop() {
      await http.stop();
      await fake.stop();
    },
  };
}
