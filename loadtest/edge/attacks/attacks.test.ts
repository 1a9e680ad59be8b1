/**
 * Everything a stranger may do at once, against a real gateway on each transport, beside a recorder
 * that must not notice: each attack ends as it should, and leaves nothing behind.
 */
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../../../local/test-product.ts';
import { type Ground, openGround } from '../fuzz/ground.ts';
import { MAX_HEAP_GROWTH_BYTES } from '../fuzz/report.ts';
import { startWitness, type WitnessAccount } from '../fuzz/witness.ts';
import type { TransportName } from '../rfc6455/case.ts';
import { transportsHere } from '../test-transports.ts';
import { ATTACKS } from './attacks.ts';

/** While all attacks run: what floods and unread answers may hold at once. */
const MAX_PEAK_BYTES = 300 * 1024 * 1024;
const MAX_DRIFT_MS = 1_000;
const LOOK_EVERY_MS = 500;

interface Result {
  /** by the name of the attack */
  ends: Map<string, string[]>;
  peakBytes: number;
  warmHeapBytes: number;
  heapBytes: number;
  left: { sockets: number; sessions: number };
  pollutedNames: number;
  witness: WitnessAccount & { settledMs: number };
}

const transports = await transportsHere();
let product: TestProduct;
const results = new Map<TransportName, Result>();
beforeAll(async () => {
  // Sessions whose recorder is gone end soon, but not one that a busy machine keeps waiting.
  const env = { RESUME_WINDOW_MS: '6000', BEAT_TIMEOUT_MS: '5000', SESSION_SWEEP_MS: '1000' };
  product = await startTestProduct({ gateways: 0, intervalMs: 500, env });
  await Promise.all(transports.map(async (it) => results.set(it, await attack(it))));
}, 180_000);
afterAll(() => product?.stop());

async function attack(transport: TransportName): Promise<Result> {
  const inspectPort = await freePort();
  const { port, operationsUrl } = await product.addGateway({
    ...{ TRANSPORT: transport, NODE_OPTIONS: `--inspect=127.0.0.1:${inspectPort}` },
  });
  const { apiKey } = product;
  const ground = await openGround({ port, operationsUrl, inspectPort, apiKey });
  const ticket = async () => (await ground.pass(`attack-${transport}-${Math.random()}`)).ticket;
  const witness = await startWitness(port, await ground.ticketOf(`witness-${transport}`));
  const all = async () => {
    const ran = ATTACKS.map(async (it) => [it.name, await it.run({ port, ticket })] as const);
    return new Map(await Promise.all(ran));
  };
  const quick = ATTACKS.filter(({ name }) => name.startsWith('a message'));
  for (const one of quick) await one.run({ port, ticket });
  const warm = await ground.memory();
  const peak = watchPeak(ground);
  const ends = await all();
  const peakBytes = await peak.stop();
  const left = await ground.calm(1, 60_000);
  const { heapBytes } = await ground.memory();
  const account = await witness.stop();
  const settledMs = await ground.settledMs(account.session, account.recordedMs, 30_000);
  return {
    ...{ ends, left, heapBytes, peakBytes: peakBytes - warm.residentBytes },
    warmHeapBytes: warm.heapBytes,
    pollutedNames: await ground.pollutedNames(),
    witness: { ...account, settledMs },
  };
}

function watchPeak(ground: Ground): { stop(): Promise<number> } {
  let highest = 0;
  const look = async () => {
    highest = Math.max(highest, await ground.residentBytes());
  };
  const timer = setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await look();
      return highest;
    },
  };
}

describe.each(transports)('on %s', (transport) => {
  it.each(ATTACKS.map((it) => [it.name, it] as const))('%s', (name, { ends }) => {
    const ended = results.get(transport)!.ends.get(name)!;
    expect(ended.length).toBeGreaterThan(0);
    for (const end of ended) expect(ends[transport]).toContain(end);
  });

  it('nothing is left: no socket, no session, no memory, no name on every object', () => {
    const { left, heapBytes, warmHeapBytes, peakBytes, pollutedNames } = results.get(transport)!;
    expect(left).toEqual({ sockets: 1, sessions: 1 });
    expect(heapBytes - warmHeapBytes).toBeLessThan(MAX_HEAP_GROWTH_BYTES);
    expect(peakBytes).toBeLessThan(MAX_PEAK_BYTES);
    expect(pollutedNames).toBe(0);
  });

  it('a recorder beside them is metered as ever', () => {
    const { recordedMs, settledMs, ownMs } = results.get(transport)!.witness;
    expect(settledMs).toBe(recordedMs);
    expect(Math.abs(recordedMs - ownMs)).toBeLessThan(MAX_DRIFT_MS);
  });
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
