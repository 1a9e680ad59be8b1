/** The gateway that is fuzzed, seen from outside: its API, its gauges, its memory after a collection. */
import { type Inspector, openInspector } from '../../bench/stand/inspector.ts';
import type { Pass } from './conversation.ts';

const REQUEST_PATIENCE_MS = 20_000;
const MAX_ATTEMPTS = 3;
const LOOK_EVERY_MS = 200;
const ORGANIZATION = 'fuzz';
const PLAN = 'fuzz-unlimited';
/** Many members: none of them has more sockets than a member may. */
const MEMBERS = 500;

export interface GroundOptions {
  port: number;
  operationsUrl: string;
  /** where its inspector listens */
  inspectPort: number;
  apiKey: string;
}

export interface Memory {
  /** what JavaScript holds after a collection, buffers included */
  heapBytes: number;
  residentBytes: number;
}

export interface Ground {
  pass(session: string): Promise<Pass>;
  ticketOf(user: string): Promise<string>;
  /** Waits until nothing is left but so many sockets and sessions; answers what is left else. */
  calm(sockets: number, patienceMs: number): Promise<{ sockets: number; sessions: number }>;
  memory(): Promise<Memory>;
  /** resident memory now, without a collection */
  residentBytes(): Promise<number>;
  /** names that every object of the gateway's has by now and should not */
  pollutedNames(): Promise<number>;
  /** What the ledger has of an ended session, in ms, once that is `expectedMs` or patience is over. */
  settledMs(session: string, expectedMs: number, patienceMs: number): Promise<number>;
}

interface SessionAnswer {
  state: string;
  overshootMs: number;
  minutes: { ms: number }[];
}

export async function openGround(options: GroundOptions): Promise<Ground> {
  const { port, operationsUrl, inspectPort, apiKey } = options;

  async function ask<Answer>(
    method: string,
    path: string,
    body?: object,
    attempt = 1,
  ): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_PATIENCE_MS),
    });
    const text = await response.text();
    // Cut off as slow, and not heard: this process is kept busy by what it does to the gateway.
    if (response.status === 408 && attempt < MAX_ATTEMPTS) {
      return ask(method, path, body, attempt + 1);
    }
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return JSON.parse(text) as Answer;
  }
  async function ticketOf(user: string, session?: string): Promise<string> {
    const body = { org: ORGANIZATION, user, ...(session && { session }) };
    return (await ask<{ ticket: string }>('POST', '/v1/tickets', body)).ticket;
  }
  function gauge(text: string, name: string): number {
    const line = new RegExp(`^taximeter_gateway_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text);
    return Number(line?.[1] ?? Number.NaN);
  }

  await ask('PUT', `/v1/plans/${PLAN}`, { name: PLAN, minutes: null });
  await ask('PUT', `/v1/orgs/${ORGANIZATION}`, { name: ORGANIZATION, plan: PLAN });
  let passes = 0;
  async function inspect<T>(ask: (inspector: Inspector) => Promise<T>): Promise<T> {
    const inspector = await openInspector(inspectPort);
    try {
      return await ask(inspector);
    } finally {
      await inspector.stop();
    }
  }

  return {
    ticketOf,
    async pass(session) {
      passes += 1;
      return { session, ticket: await ticketOf(`member-${passes % MEMBERS}`, session) };
    },
    async calm(sockets, patienceMs) {
      const until = performance.now() + patienceMs;
      for (;;) {
        const text = await (await fetch(`${operationsUrl}/metrics`)).text();
        const left = { sockets: gauge(text, 'sockets'), sessions: gauge(text, 'sessions') };
        const isCalm = left.sockets <= sockets && left.sessions <= sockets;
        if (isCalm || performance.now() > until) return left;
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    },
    memory: () =>
      inspect(async (inspector) => {
        await inspector.collect();
        const heapBytes = await inspector.heapBytes();
        return { heapBytes, residentBytes: await inspector.residentBytes() };
      }),
    residentBytes: () => inspect((inspector) => inspector.residentBytes()),
    pollutedNames: () => inspect((inspector) => inspector.pollutedNames()),
    async settledMs(session, expectedMs, patienceMs) {
      const until = performance.now() + patienceMs;
      for (;;) {
        const path = `/v1/sessions/${session}?org=${ORGANIZATION}`;
        const { state, minutes, overshootMs } = await ask<SessionAnswer>('GET', path);
        const ms = minutes.reduce((sum, minute) => sum + minute.ms, overshootMs);
        const isDone = state === 'ended' && ms === expectedMs;
        if (isDone || performance.now() > until) return ms;
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    },
  };
}
