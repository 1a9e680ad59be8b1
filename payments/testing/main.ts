/** The fake by itself, to try payments by hand: README.md beside this. */
import { parseArgs } from 'node:util';
import { startFakeStripe } from './fake-stripe.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '12111' },
    webhook: { type: 'string', default: 'http://127.0.0.1:8787/v1/webhooks/stripe' },
    secret: { type: 'string', default: 'whsec_fake' },
    seed: { type: 'string' },
  },
});
const fake = await startFakeStripe({
  port: Number(values.port),
  ...(values.seed !== undefined && { seed: Number(values.seed) }),
});
// None: whoever asks sends them on.
if (values.webhook !== '') fake.webhooks.add({ url: values.webhook, secrets: values.secret });
console.log(`A stand-in for Stripe listens. No money moves. For the product:

STRIPE_SECRET_KEY=${fake.secretKey}
STRIPE_PUBLISHABLE_KEY=${fake.publishableKey}
STRIPE_WEBHOOK_SECRETS=${values.secret}
STRIPE_API_URL=${fake.url}
STRIPE_JS_URL=${fake.url}/v3/
`);

let told = 0;
const telling = setInterval(() => {
  const news = fake.webhooks.deliveries.slice(told);
  told += news.length;
  for (const { event, status, answer } of news) {
    console.log(`${event.type} ${event.id} -> ${status ?? answer}`);
  }
}, 500);
const stop = async () => {
  clearInterval(telling);
  await fake.stop();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
