/** Sessions of a running product, recorded by bare recorders and held against the ledger. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { TestProduct } from '../local/test-product.ts';
import { type Account, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

export interface SessionAnswer {
  state: string;
  recordedMs: number;
  overshootMs: number;
  minutes: { index: number; ms: number }[];
}

const SETTLE_PATIENCE_MS = 30_000;
const RESUME_AGAIN_MS = 100;

export const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

export interface Recorded {
  account: Account;
  recorder: TestRecorder;
  session: string;
  acknowledgedMs: number;
}

/** Records until the meter has acknowledged more than `forMs`. */
export async function record(
  product: TestProduct,
  account: Account,
  { gateway = 0, forMs = 2 * 60_000 } = {},
): Promise<Recorded> {
  const recorder = await connectRecorder(product.gateways[gateway]!.connectUrl);
  const { session } = await recorder.start({ ticket: await account.ticket() });
  const acknowledgedMs = await growsBeyond(recorder, forMs);
  return { account, recorder, session, acknowledgedMs };
}

/** Waits for the meter to acknowledge more than it had. */
export async function growsBeyond(recorder: TestRecorder, totalMs: number): Promise<number> {
  const tick = await recorder.next('tick', ({ reading }) => reading.sessionMs > totalMs);
  return tick.reading.sessionMs;
}

/** What it was last told to have been counted. */
export function acknowledged({ messages }: TestRecorder): number {
  const ticks = messages.flatMap((it) => (it.type === 'tick' ? [it.reading.sessionMs] : []));
  return ticks.at(-1) ?? 0;
}

/** Comes back at a gateway, however often it is refused because the meter is away. */
export async function resumeAt(
  product: TestProduct,
  gateway: number,
  { recorder, session }: Pick<Recorded, 'recorder' | 'session'>,
): Promise<TestRecorder> {
  for (;;) {
    const again = await connectRecorder(product.gateways[gateway]!.connectUrl);
    again.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
    const answer = await Promise.race([again.next('started'), again.next('refused')]);
    if (answer.type === 'started') return again;
    expect(answer.code).toBe('meterUnavailable');
    again.cut();
    await sleep(RESUME_AGAIN_MS);
  }
}

export function readSession(
  product: TestProduct,
  org: string,
  session: string,
): Promise<SessionAnswer | null> {
  return product.api<SessionAnswer>('GET', `/v1/sessions/${session}?org=${org}`).catch(() => null);
}

/** The session as the ledger has it, once it has ended there with exactly so much. */
export async function settlesAt(
  product: TestProduct,
  org: string,
  session: string,
  recordedMs: number,
): Promise<SessionAnswer> {
  const row = await until(
    () => readSession(product, org, session),
    (answer) =>
      answer?.state === 'ended' &&
      sum(answer.minutes.map(({ ms }) => ms)) + answer.overshootMs === recordedMs,
    SETTLE_PATIENCE_MS,
  );
  expect(row!.minutes.map(({ index }) => index)).toEqual(row!.minutes.map((_, index) => index));
  return row!;
}

/** Stops it and expects the ledger to hold every acknowledged millisecond, once. Answers the total. */
export async function endsExactly(
  product: TestProduct,
  org: string,
  { recorder, session }: Pick<Recorded, 'recorder' | 'session'>,
  atLeastMs: number,
): Promise<number> {
  const { summary } = await recorder.stop();
  expect(summary.recordedMs).toBeGreaterThanOrEqual(atLeastMs);
  await settlesAt(product, org, session, summary.recordedMs);
  return summary.recordedMs;
}
