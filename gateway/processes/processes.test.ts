/** Several gateway processes behind one port, as real processes with the whole product around them. */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isAlive } from '../../local/test-process.ts';
import { startTestProduct, type TestGateway, type TestProduct } from '../../local/test-product.ts';
import { type Account, createAccount, until } from '../test-account.ts';
import { connectRecorder, type TestRecorder } from '../test-recorder.ts';
import { acknowledged, endsExactly, growsBeyond, sum } from '../test-sessions.ts';
import { transportsHere } from '../transport/test-transport.ts';
import type { TransportName } from '../transport/transport.ts';

const SECONDS = 1 / 60;
/** So many sockets on each process before a test begins; Linux spreads them by chance. */
const EACH = 2;
const MAX_SOCKETS = 60;

interface Health {
  ok: boolean;
  gateways: Record<string, { ok: boolean; pid: number }>;
}

interface Live {
  recorder: TestRecorder;
  session: string;
}

const transports = await transportsHere();
let product: TestProduct;
/** One process, where everything can go when the others are gone. */
let elsewhere: TestGateway;
/** Two processes. */
let gateway: TestGateway;
let recorders: TestRecorder[] = [];
beforeAll(async () => {
  product = await startTestProduct({ intervalMs: 300 });
  elsewhere = product.gateways[0]!;
}, 120_000);
afterAll(() => product?.stop());

const startTwo = async (transport: TransportName) => {
  gateway = await product.addGateway({ TRANSPORT: transport, GATEWAY_PROCESSES: '2' });
};

const health = async () =>
  (await (await fetch(`${gateway.operationsUrl}/healthz`)).json()) as Health;
const pids = async () => Object.values((await health()).gateways).map(({ pid }) => pid);
const isWhole = () =>
  until(health, ({ gateways }) => Object.values(gateways).every(({ ok }) => ok));

/** A metric's value of each process, by its name. */
async function each(metric: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${gateway.operationsUrl}/metrics`)).text();
  const lines = text.matchAll(/^taximeter_gateway_(\w+)\{gateway="([^"]+)"\} (\S+)$/gm);
  return Object.fromEntries(
    [...lines].filter((it) => it[1] === metric).map((it) => [it[2]!, Number(it[3])]),
  );
}

/** Connects until every process has some of them. */
async function spread(): Promise<TestRecorder[]> {
  await isWhole();
  recorders = [];
  while (recorders.length < MAX_SOCKETS) {
    recorders.push(await connectRecorder(gateway.connectUrl));
    const counts = Object.values(await each('sockets'));
    if (counts.length === 2 && Math.min(...counts) >= EACH) return recorders;
  }
  throw new Error(`${MAX_SOCKETS} sockets: ${JSON.stringify(await each('sockets'))}`);
}

async function record(account: Account): Promise<Live[]> {
  const connected = await spread();
  const live = await Promise.all(
    connected.map(async (recorder, i) => {
      const { session } = await recorder.start({ ticket: await account.ticket(`u${i}`) });
      return { recorder, session };
    }),
  );
  await Promise.all(live.map(({ recorder }) => growsBeyond(recorder, 300)));
  return live;
}

/** Those whose connection ends, once there are so many. */
async function cutOff(live: Live[], count: number): Promise<Live[]> {
  const gone: Live[] = [];
  for (const it of live) void it.recorder.closed.then(() => gone.push(it));
  await until(
    async () => gone.length,
    (length) => length === count,
  );
  return gone;
}

/** Each comes back at `connectUrl` as the session it was, and the ledger has every millisecond. */
async function resumeAndEnd(org: string, gone: Live[], connectUrl: string): Promise<void> {
  await Promise.all(
    gone.map(async ({ recorder, session }) => {
      const again = await connectRecorder(connectUrl);
      const started = await again.resume({ session, checkpoint: recorder.checkpoint() });
      expect(started.resumed).toBe(true);
      expect(started.reading.sessionMs).toBeGreaterThanOrEqual(acknowledged(recorder));
      const later = await growsBeyond(again, started.reading.sessionMs);
      await endsExactly(product, org, { recorder: again, session }, later);
    }),
  );
}

// Also of a test that failed: the next one counts sockets.
afterEach(() => {
  for (const recorder of recorders) recorder.cut();
  recorders = [];
});

describe.each(transports)('two processes on one port, over %s', (transport) => {
  beforeAll(() => startTwo(transport), 120_000);

  it('spreads sessions, shows each process, and stops a budget they share at its limit', async () => {
    const connected = await spread();
    const limitMs = 1_500 * connected.length;
    const account = await createAccount(product, { minutes: (limitMs / 1_000) * SECONDS });
    const starting = connected.map(async (recorder, i) =>
      recorder.start({ ticket: await account.ticket(`u${i}`) }),
    );
    await Promise.all(starting);
    const sessions = Object.values(await each('sessions'));
    expect(sum(sessions)).toBe(connected.length);
    expect(Math.min(...sessions)).toBeGreaterThanOrEqual(EACH);
    const { name } = gateway;
    expect(await each('process_up')).toEqual({ [`${name}-1`]: 1, [`${name}-2`]: 1 });

    const ends = await Promise.all(connected.map((recorder) => recorder.next('ended')));
    const charged = ends.map(({ summary }) => summary.recordedMs - summary.overshootMs);
    expect(sum(charged)).toBe(limitMs);
    for (const { messages } of connected) {
      expect(messages.filter(({ type }) => type === 'warning')).toHaveLength(3);
    }
    await Promise.all(connected.map(({ closed }) => closed));
  });

  it('loses nothing when one is killed: the port serves on, and the process comes back', async () => {
    const account = await createAccount(product, { minutes: 600 });
    const live = await record(account);
    const sockets = await each('sockets');
    const before = await health();
    const [name, { pid }] = Object.entries(before.gateways)[0]!;
    const ending = cutOff(live, sockets[name]!);
    process.kill(pid, 'SIGKILL');
    const gone = await ending;
    await resumeAndEnd(account.org, gone, gateway.connectUrl);
    const others = live.filter((it) => !gone.includes(it));
    expect(others.length).toBeGreaterThanOrEqual(EACH);
    await Promise.all(
      others.map((it) => endsExactly(product, account.org, it, acknowledged(it.recorder))),
    );
    const { gateways } = await isWhole();
    expect(gateways[name]!.pid).not.toBe(pid);
  });

  it('hands the sessions of one over to the others when that one drains, and starts it anew', async () => {
    const account = await createAccount(product, { minutes: 600 });
    const live = await record(account);
    const sockets = await each('sockets');
    const [name, { pid }] = Object.entries((await health()).gateways)[1]!;
    const ending = cutOff(live, sockets[name]!);
    process.kill(pid, 'SIGTERM');
    const gone = await ending;
    for (const { recorder } of gone) {
      expect(recorder.messages.at(-1)?.type).toBe('draining');
      expect((await recorder.closed).code).toBe(1012);
    }
    await resumeAndEnd(account.org, gone, gateway.connectUrl);
    const { gateways } = await until(health, (it) => it.gateways[name]!.pid !== pid);
    expect(Object.keys(gateways)).toEqual([`${gateway.name}-1`, `${gateway.name}-2`]);
  });

  it('drains all of them on SIGTERM', async () => {
    const account = await createAccount(product, { minutes: 600 });
    const live = await record(account);
    const before = await pids();
    const stopping = gateway.stop();
    for (const { recorder } of live) {
      expect((await recorder.closed).code).toBe(1012);
      expect(recorder.messages.at(-1)?.type).toBe('draining');
    }
    await resumeAndEnd(account.org, live, elsewhere.connectUrl);
    await stopping;
    expect(before.filter(isAlive)).toEqual([]);
  });
});

describe('connections that the primary hands round', () => {
  const SOME = 12;
  beforeAll(() => startTwo('ws'), 120_000);

  /** Says `bytes` and no more, and hears until the other end has finished. */
  const heardOf = (bytes: string, isHalfClosed: boolean) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: gateway.port, allowHalfOpen: true });
      let heard = '';
      socket.on('data', (data) => {
        heard += data;
      });
      socket.once('end', () => resolve(heard));
      socket.once('error', reject);
      socket.once('close', () => resolve(heard));
      if (isHalfClosed) socket.end(bytes);
      else socket.write(bytes);
    });

  it('leave out one that stands still, but for the one that finds it out, and that is not lost', async () => {
    await isWhole();
    const [pid] = await pids();
    process.kill(pid!, 'SIGSTOP');
    let opened = 0;
    const connecting = Array.from({ length: SOME }, async () => {
      recorders.push(await connectRecorder(gateway.connectUrl));
      opened += 1;
    });
    await until(
      async () => opened,
      (count) => count >= SOME - 1,
    );
    process.kill(pid!, 'SIGKILL');
    await Promise.all(connecting);
    await isWhole();
  });

  it('are heard to their end, and cut off where they take too long, as on a port of its own', async () => {
    const request = 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n';
    const [answer, late] = await Promise.all([
      heardOf(`${request}\r\n`, true),
      heardOf(request, false),
    ]);
    expect(answer).toMatch(/^HTTP\/1.1 \d{3} /);
    expect(late).toMatch(/^HTTP\/1.1 408 /);
  });
});

it('leaves no process behind when the one that started them is killed: they drain', async () => {
  // The transport whose processes hold the port themselves, where there is one.
  await startTwo(transports.at(-1)!);
  const account = await createAccount(product, { minutes: 600 });
  const live = await record(account);
  const before = await pids();
  process.kill(gateway.pid(), 'SIGKILL');
  await Promise.all(live.map(({ recorder }) => recorder.next('draining')));
  await until(
    async () => before.filter(isAlive),
    (left) => left.length === 0,
  );
  await resumeAndEnd(account.org, live, elsewhere.connectUrl);
});
