/** `npm run fuzz -- --http`: a product with and without Stripe, and whether all of it was reached. */
import { randomBytes } from 'node:crypto';
import { startOwnProduct } from '../../product/own.ts';
import { startStripe } from '../../product/stripe.ts';
import type { FuzzFlags } from '../flags.ts';
import { fuzzHttp } from './fuzz-http.ts';
import { textOf } from './text.ts';

const INTERVAL_MS = 1_000;
const SAY_EVERY_MS = 5_000;
const WITHOUT_STRIPE = {
  ...{ STRIPE_SECRET_KEY: '', STRIPE_PUBLISHABLE_KEY: '', STRIPE_WEBHOOK_SECRETS: '' },
};

export interface HttpRun {
  signal: AbortSignal;
  env: NodeJS.ProcessEnv;
  say(line: string): void;
}

/** @returns the exit code: 1 for an answer that should not be, and for a call that never had a good one */
export async function runHttp(flags: FuzzFlags, { signal, env, say }: HttpRun): Promise<number> {
  const { seed, requests, only, transport } = flags;
  const webhookSecret = `whsec_${randomBytes(12).toString('hex')}`;
  const stripe = await startStripe({ seed, say });
  try {
    const product = await startOwnProduct({
      ...{ gateways: 2, intervalMs: INTERVAL_MS, isCluster: false, isKept: false, say },
      apiKey: 'dev-key',
      env: {
        ...{ ...env, TRANSPORT: transport, LOG_LEVEL: 'warn', STRIPE_API_URL: stripe.url },
        ...{ STRIPE_SECRET_KEY: stripe.secretKey, STRIPE_PUBLISHABLE_KEY: stripe.publishableKey },
        STRIPE_WEBHOOK_SECRETS: webhookSecret,
      },
      // The second one sells by test payments alone.
      gatewayEnv: (number) => (number === 2 ? WITHOUT_STRIPE : {}),
    });
    try {
      let saidAt = performance.now();
      const report = await fuzzHttp({
        ...{ seed, requests, signal, apiKey: product.apiKey, only: only ?? undefined },
        urls: product.urls.map((url) => url.replace(/^ws/, 'http')),
        stripe: { ...stripe, webhookSecret },
        progress(done) {
          if (performance.now() - saidAt < SAY_EVERY_MS) return;
          saidAt = performance.now();
          say(`${done} requests`);
        },
      });
      report.faults.push(...product.incidents);
      if (signal.aborted) report.faults.push('it was stopped before its end');
      // Alone, a call has only what it tells itself.
      else if (only === null) {
        for (const id of report.neverWell) report.faults.push(`${id} was never answered well`);
      }
      const holds = report.faults.length === 0;
      console.log(flags.isJson ? JSON.stringify({ holds, ...report }, null, 1) : textOf(report));
      return holds ? 0 : 1;
    } finally {
      say('stopping what was started ...');
      await product.stop();
    }
  } finally {
    await stripe.stop();
  }
}
