/** Thousands of spoiled frames against real gateways; `npm run fuzz` does the same with a million. */
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../../../local/test-product.ts';
import { transportsHere } from '../test-transports.ts';
import { fuzz } from './fuzz.ts';
import { planOne } from './plan-one.ts';
import { faultsOf } from './report.ts';
import { seedOf } from './run-fuzz.ts';

const FRAMES = 6_000;
const transports = await transportsHere();
const SEED = Number(process.env.SEED ?? 1);

it('a conversation is the same for the same seed, and another for another', () => {
  const plan = (seed: number) => planOne(seedOf(seed, 7), null);
  expect(plan(1)).toEqual(plan(1));
  expect(plan(1).writes).not.toEqual(plan(2).writes);
});

describe('a gateway', () => {
  let product: TestProduct;
  beforeAll(async () => {
    // Sessions whose recorder is gone end soon, but not one that a busy machine keeps waiting.
    const env = { RESUME_WINDOW_MS: '6000', BEAT_TIMEOUT_MS: '5000', SESSION_SWEEP_MS: '1000' };
    product = await startTestProduct({ gateways: 0, intervalMs: 500, env });
  }, 120_000);
  afterAll(() => product?.stop());

  it.each(transports)(
    'on %s holds under fuzz: codes, memory, and whoever else is there',
    { timeout: 120_000 },
    async (transport) => {
      const inspectPort = await freePort();
      const gateway = await product.addGateway({
        ...{ TRANSPORT: transport, NODE_OPTIONS: `--inspect=127.0.0.1:${inspectPort}` },
      });
      const { port, operationsUrl } = gateway;
      const pid = gateway.pid();
      const report = await fuzz({
        ...{ seed: SEED, frames: FRAMES, from: 0, transport, incidents: [] },
        ...{ port, operationsUrl, inspectPort, apiKey: product.apiKey },
      });
      expect(faultsOf(report), `SEED=${SEED}`).toEqual([]);
      expect(gateway.pid()).toBe(pid);
      expect(report.tally.frames).toBeGreaterThanOrEqual(FRAMES);
      // It was let in at times, and refused in many ways: else it tried nothing.
      expect(Object.keys(report.tally.ended).length).toBeGreaterThan(5);
    },
  );
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
