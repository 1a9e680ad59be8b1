/** RFC 6455, case by case, against real gateways on both transports. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  startTestProduct,
  type TestGateway,
  type TestProduct,
} from '../../../local/test-product.ts';
import { transportsHere } from '../test-transports.ts';
import { CASES } from './cases.ts';
import { runCases } from './run-cases.ts';

const LEAST_CASES = 300;
const transports = await transportsHere();
let product: TestProduct;
let gateways: TestGateway[];
beforeAll(async () => {
  const env = { ALLOWED_ORIGINS: 'https://app.example' };
  product = await startTestProduct({ gateways: 0, env });
  gateways = await Promise.all(transports.map((TRANSPORT) => product.addGateway({ TRANSPORT })));
}, 120_000);
afterAll(() => product?.stop());

describe('the cases', () => {
  it('are three hundred at least, each with a name of its own', () => {
    expect(CASES.length).toBeGreaterThanOrEqual(LEAST_CASES);
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  });

  it('say of each difference between the transports why it is bearable', () => {
    for (const { name, differs } of CASES) {
      for (const { why } of Object.values(differs ?? {})) {
        expect(why.length, name).toBeGreaterThan(20);
      }
    }
  });

  it.each(transports)('hold on %s', async (transport) => {
    const { port } = gateways[transports.indexOf(transport)]!;
    const results = await runCases(CASES, port, transport);
    const failed = results.filter(({ faults }) => faults.length > 0);
    expect(failed.map(({ name, faults }) => `${name}: ${faults.join('; ')}`)).toEqual([]);
    expect(results).toHaveLength(CASES.length);
  });
});
