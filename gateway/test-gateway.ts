/**
 * Gateways and recorders in one process, on simulated time: everything a gateway is made of, with
 * the wire between socket and recorder simulated, and timers that fire when the test lets time pass.
 */
import { vi } from 'vitest';
import type { EndReason, ServerMessage, Started } from '../core/protocol/messages.ts';
import type { Clock } from '../core/runtime/clock.ts';
import { createLog } from '../core/runtime/log.ts';
import type { OutageRecord } from '../drizzle/queries/save-outage.ts';
import { createSeal } from './checkpoint.ts';
import { type Connection, createConnection } from './connection.ts';
import { createMetering, type Metering } from './metering.ts';
import { createOutageBook } from './outage-book.ts';
import { BEGIN, createTestMeter, PERIOD_MS, type TestMeter } from './test-meter.ts';
import { startWatch } from './watch.ts';

/** What the simulated gateways take for a ticket. */
export function ticketOf(org: string, user = 'ann', trustCaptured = false): string {
  return JSON.stringify({ org, user, scopes: ['record'], trustCaptured });
}

const clock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };
const seal = createSeal([new Uint8Array(32).fill(7)]);

export interface World {
  stores: TestMeter;
  gateway(options?: GatewayOptions): TestGateway;
  /** lets time pass, every timer at its instant */
  pass(ms: number): Promise<void>;
  end(): Promise<void>;
}

export interface GatewayOptions {
  intervalMs?: number;
  timeoutMs?: number;
}

export interface TestGateway {
  metering: Metering;
  connections: Set<Connection>;
  /** what was said to it in log lines of level warn and above */
  logged: { level: number; msg: string }[];
  /** what it wrote of outages */
  outages: OutageRecord[];
  connect(options?: RecorderOptions): Recorder;
  /** as a killed process: nothing it has under way is heard any more */
  kill(): void;
  stop(): Promise<void>;
}

export interface RecorderOptions {
  /** one way over the wire */
  latencyMs?: number;
  answers?: boolean;
  saves?: boolean;
}

type Type = ServerMessage['type'];
type Message<T extends Type> = Extract<ServerMessage, { type: T }>;

export interface Recorder {
  messages: ServerMessage[];
  answers: boolean;
  latencyMs: number;
  /** bytes that wait to be sent to it */
  unsentBytes: number;
  closed: { code: number; reason: string } | null;
  all<T extends Type>(type: T): Message<T>[];
  last<T extends Type>(type: T): Message<T>;
  checkpoint(): string;
  send(message: object): void;
  /** says `start` as a member and waits for the answer */
  start(
    org: string,
    more?: { user?: string; session?: string; [field: string]: unknown },
  ): Promise<Started>;
  resume(from: Recorder, more?: Record<string, unknown>): Promise<Started>;
  /** the line is gone, and the gateway sees it */
  cut(): void;
  endReason(): EndReason | undefined;
}

export interface WorldOptions {
  speed?: number;
  /** the meter's clock at the beginning; the calendar's where left out */
  meterBaseAt?: number;
  /** the world begins so long before the end of the first period; else somewhere within it */
  beforeBoundaryMs?: number;
}

/** Time stands still until `pass`. Call `end` when done. */
export function beginWorld(options: WorldOptions = {}): World {
  const { beforeBoundaryMs } = options;
  vi.useFakeTimers({
    toFake: [
      ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'] as const),
      ...(['clearImmediate', 'Date', 'performance'] as const),
    ],
    now: beforeBoundaryMs === undefined ? BEGIN + 1_000_000 : BEGIN + PERIOD_MS - beforeBoundaryMs,
  });
  const stores = createTestMeter(options);
  const gateways: TestGateway[] = [];
  const pass = async (ms: number) => void (await vi.advanceTimersByTimeAsync(ms));
  return {
    stores,
    pass,
    gateway(given = {}) {
      const made = createGateway(stores, pass, given);
      gateways.push(made);
      return made;
    },
    async end() {
      for (const gateway of gateways) gateway.kill();
      vi.useRealTimers();
    },
  };
}

function createGateway(
  stores: TestMeter,
  pass: (ms: number) => Promise<void>,
  { intervalMs = 5_000, timeoutMs = 15_000 }: GatewayOptions,
): TestGateway {
  const connections = new Set<Connection>();
  const logged: TestGateway['logged'] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line)) };
  const log = createLog({ name: 'gateway', level: 'warn', destination });
  const outages: TestGateway['outages'] = [];
  const book = createOutageBook({
    ...{ gateway: 'gateway', log, monotonicMs: clock.monotonicMs, wallMs: clock.wallMs },
    async save(record) {
      if (stores.isLedgerAway) throw new Error('Postgres is away');
      outages.push(record);
    },
  });
  const metering = createMetering({
    ...{ book, meter: stores.meter, ledger: stores.ledger, seal, clock, log },
    ...{ intervalMs, timeoutMs, resumeWindowMs: 120_000, meterClock: stores.clock },
    tickets: {
      mint: () => Promise.reject(new Error('not here')),
      verify: async (ticket) => JSON.parse(ticket),
      redeem: async () => true,
    },
    minutes: { ready: () => {}, stop: async () => {} },
    links: { buyUrl: null, upgradeUrl: null },
    metadata: { keep: () => {} },
    wakeRecovery: () => {},
  });
  const heard = metering.heard;
  stores.listeners.add(heard);
  const watch = startWatch({
    monotonicMs: clock.monotonicMs,
    silenceMs: intervalMs + timeoutMs,
    sessions: () => metering.hub.live(),
    connections: () => connections,
    meterFailed: (session) => metering.ending.meterFailed(session),
    sayAgain: (session) => metering.words.say(session),
  });
  let isDead = false;

  const gateway: TestGateway = {
    metering,
    outages,
    connections,
    logged,
    connect: (options = {}) => connect(gateway, () => isDead, pass, options),
    kill() {
      isDead = true;
      stores.listeners.delete(heard);
      void watch.stop();
      void metering.stop();
      void book.stop();
    },
    async stop() {
      for (const connection of [...connections]) {
        connection.send({ type: 'draining', retryAfterMs: 200 });
        connection.close(1012, 'draining');
      }
      await watch.stop();
      await metering.stop();
      await book.stop();
      stores.listeners.delete(heard);
    },
  };
  return gateway;
}

function connect(
  { metering, connections, logged }: TestGateway,
  isDead: () => boolean,
  pass: (ms: number) => Promise<void>,
  options: RecorderOptions,
): Recorder {
  const { saves = true } = options;
  const later = (run: () => void) => setTimeout(() => isDead() || run(), recorder.latencyMs);

  function hear(message: ServerMessage): void {
    recorder.messages.push(message);
    if (message.type === 'tick' && recorder.answers)
      recorder.send({ type: 'beat', seq: message.seq });
    if (message.type === 'stop' && saves) recorder.send({ type: 'saved', ok: true });
  }
  const socket = {
    remoteAddress: '127.0.0.1',
    unsentBytes: () => recorder.unsentBytes,
    send(texts: readonly string[]) {
      const messages = texts.map((text) => JSON.parse(text) as ServerMessage);
      later(() => messages.forEach(hear));
    },
    close(code: number, reason: string) {
      later(() => {
        recorder.closed ??= { code, reason };
      });
    },
    terminate() {},
  };
  const recorder: Recorder = {
    messages: [],
    answers: options.answers ?? true,
    latencyMs: options.latencyMs ?? 1,
    unsentBytes: 0,
    closed: null,
    all: (type) => recorder.messages.filter((message) => message.type === type) as never,
    last(type) {
      const found = recorder.all(type).at(-1);
      if (!found) {
        const heard = recorder.messages.map((message) => message.type).join(', ') || 'nothing';
        throw new Error(`No "${type}"; heard ${heard}; closed ${JSON.stringify(recorder.closed)}`);
      }
      return found;
    },
    checkpoint: () =>
      recorder.messages.flatMap((it) => ('checkpoint' in it ? [it.checkpoint] : [])).at(-1)!,
    send(message) {
      const text = JSON.stringify(message);
      later(() => {
        if (recorder.closed === null) connection.message(text, text.length);
      });
    },
    async start(org, { user = 'ann', ...more } = {}) {
      recorder.send({ type: 'start', ticket: ticketOf(org, user), ...more });
      await pass(20);
      return recorder.last('started');
    },
    async resume(from, more = {}) {
      const { session } = from.last('started');
      recorder.send({ type: 'resume', session, checkpoint: from.checkpoint(), ...more });
      await pass(20);
      return recorder.last('started');
    },
    cut() {
      recorder.closed = { code: 1006, reason: '' };
      connection.closed(1006);
    },
    endReason: () => recorder.all('ended').at(-1)?.reason,
  };
  const connection = createConnection(
    socket,
    { ticket: undefined, origin: null },
    {
      ...{ admission: metering.admission, hearing: metering.hearing, ending: metering.ending },
      bind: (admitted, wire) => metering.bind(admitted, wire),
      monotonicMs: clock.monotonicMs,
      seats: null,
      closed: (gone) => void connections.delete(gone),
      failed: (error) => void logged.push({ level: 50, msg: String(error) }),
    },
  );
  connections.add(connection);
  return recorder;
}
