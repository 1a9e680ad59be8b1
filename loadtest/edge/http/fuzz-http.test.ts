/** The API under requests made of its own document; `npm run fuzz -- --http` does the same for long. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../../../local/test-product.ts';
import { fuzzHttp } from './fuzz-http.ts';

const SEED = Number(process.env.SEED ?? 1);
/** Of each call; together some seconds. */
const REQUESTS = 30;

let product: TestProduct;
beforeAll(async () => {
  product = await startTestProduct({ intervalMs: 500 });
}, 120_000);
afterAll(() => product?.stop());

it('answers every call as its document says, whatever is sent', async () => {
  const { apiKey, gatewayUrls: urls } = product;
  const report = await fuzzHttp({ urls, apiKey, seed: SEED, requests: REQUESTS });
  expect(report.faults).toEqual([]);
  expect(report.calls).toBeGreaterThan(25);
  expect(report.requests).toBeGreaterThanOrEqual(report.calls * REQUESTS);
  expect(Object.keys(report.byStatus)).toEqual(
    expect.arrayContaining(['200', '201', '401', '422']),
  );
});
