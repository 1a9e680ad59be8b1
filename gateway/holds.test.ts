/**
 * Recordings across their old limit while a payment confirms, and across the end of a lot: real
 * processes, real sockets, the real worker, on the test clock.
 */
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyReceipt } from '../core/receipt/verify.ts';
import { connect, type DatabaseConnection } from '../drizzle/client.ts';
import { applyGrant } from '../drizzle/queries/apply-limits.ts';
import { meterNow, readClock } from '../drizzle/queries/clock.ts';
import { extraMinutesPurchases } from '../drizzle/schema/extra-minutes.ts';
import { payments } from '../drizzle/schema/payments.ts';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

const SPEED = 10;
const QUOTA_MS = 20_000;
const HOLD_MS = 120_000;
const HOUR_MS = 3_600_000;
/** A busy machine is forgiven this much, real ms, where an instant is met by timers. */
const LATE_MS = 3_000;

let product: TestProduct;
let database: DatabaseConnection;
const open: TestRecorder[] = [];
beforeAll(async () => {
  product = await startTestProduct({ speed: SPEED, intervalMs: 500 });
  database = connect(product.databaseUrl);
}, 120_000);
afterAll(async () => {
  for (const recorder of open) recorder.cut();
  await database?.stop();
  await product?.stop();
});

/** So little of the plan that it is soon over; warnings would tick it more often than its interval. */
const account = () =>
  createAccount(product, {
    ...{ minutes: QUOTA_MS / 60_000, paymentHoldSeconds: HOLD_MS / 1_000 },
    thresholds: { percent: [], remainingMinutes: [] },
  });

async function record(acme: Account): Promise<TestRecorder> {
  const recorder = await connectRecorder(product.gateways[0]!.connectUrl);
  open.push(recorder);
  await recorder.start({ ticket: await acme.ticket() });
  return recorder;
}

interface Purchase {
  purchase: string;
  status: string;
  lot: { usedMs: number; reversedMs: number; debtMs: number } | null;
  hold: { ms: number; endedAt: string | null } | null;
}
const of = ({ org }: Account) => `/v1/orgs/${org}/extra-minutes/purchases`;
const post = (acme: Account, path: string, body = {}) =>
  product.api<Purchase>('POST', `${of(acme)}${path}`, body);
const get = (acme: Account, purchase: string) =>
  product.api<Purchase>('GET', `${of(acme)}/${purchase}`);

/** Recording, while its page has just submitted a payment. */
async function submitting(acme: Account): Promise<[TestRecorder, purchase: string]> {
  const { purchase } = await post(acme, '', { package: 'minutes-60' });
  const recorder = await record(acme);
  expect(await post(acme, `/${purchase}/hold`)).toMatchObject({ hold: { ms: HOLD_MS } });
  return [recorder, purchase];
}

const usedBeyond = (ms: number) => (message: { reading: { usedMs: number } }) =>
  message.reading.usedMs >= ms;
const now = async () => meterNow(await readClock(database.db), Date.now());

it('a payment confirmed after the limit: the recording goes on as if nothing had been, and the bill is exact', async () => {
  const acme = await account();
  const [recorder, purchase] = await submitting(acme);
  // Two seconds past the limit, on what is lent.
  await recorder.next('tick', usedBeyond(QUOTA_MS + 2_000));
  expect(await post(acme, `/${purchase}/test-payment`, { outcome: 'paid' })).toMatchObject({
    status: 'paid',
  });
  const isWhole = (it: { reading: { extraRemainingMs: number } }) =>
    it.reading.extraRemainingMs > HOLD_MS;
  await recorder.next('tick', isWhole);
  const { summary, reason } = await recorder.stop();
  const { recordedMs, overshootMs, bySource } = summary;
  expect({ reason, overshootMs }).toEqual({ reason: 'stopped', overshootMs: 0 });
  expect(bySource).toEqual({ planMs: QUOTA_MS, extraMs: recordedMs - QUOTA_MS, overageMs: 0 });
  const types = recorder.messages.map(({ type }) => type);
  expect(types.filter((type) => type === 'started')).toHaveLength(1);
  expect(types).not.toContain('stop');
  const settled = await until(
    () => get(acme, purchase),
    ({ lot }) => lot!.usedMs === recordedMs - QUOTA_MS,
  );
  expect(settled.lot).toMatchObject({ reversedMs: 0, debtMs: 0 });
  const { session, speed } = await recorder.next('started');
  expect(speed).toBe(SPEED);
  await expectReceipt(session, { purchase, lentMs: HOLD_MS, ms: recordedMs - QUOTA_MS });
});

/** It adds up, and says how much was lent, paid or not. */
async function expectReceipt(session: string, lot: object): Promise<void> {
  const authorization = `Bearer ${product.apiKey}`;
  const ask = (path: string) =>
    fetch(`${product.gatewayUrls[0]}${path}`, { headers: { authorization } });
  const path = `/v1/sessions/${session}/receipt`;
  const answer = await until(
    () => ask(path),
    ({ status }) => status === 200,
  );
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const keys = await (await ask('/v1/receipt-keys')).json();
  const { findings, receipt } = verifyReceipt(bytes, keys);
  expect(findings.filter(({ holds }) => !holds)).toEqual([]);
  expect(receipt!.lots).toMatchObject([lot]);
  const words = findings.find(({ code }) => code === 'lots')!.says;
  expect(words).toContain(`Lent while their payment was being confirmed: ${HOLD_MS} ms of`);
}

it('a payment that never comes: the recording is stopped as the loan ends, and what was used is owed', async () => {
  const acme = await account();
  const [recorder, purchase] = await submitting(acme);
  await recorder.next('tick', usedBeyond(QUOTA_MS));
  // Its end, moved here from ten minutes on.
  const endsAt = (await now()) + 500 * SPEED;
  await database.db.transaction(async (tx) => {
    await tx.update(payments).set({ holdUntil: endsAt }).where(eq(payments.id, purchase));
    await applyGrant(tx, acme.org);
  });
  const stop = await recorder.next('stop');
  expect(stop).toMatchObject({ reason: 'limitReached', binding: 'organization' });
  const { summary } = await recorder.next('ended');
  const ended = await until(
    () => get(acme, purchase),
    ({ lot }) => lot!.reversedMs === HOUR_MS,
  );
  const { usedMs, debtMs } = ended.lot!;
  expect(ended.hold!.endedAt).not.toBeNull();
  expect(usedMs).toBeGreaterThan(0);
  expect(debtMs).toBe(usedMs);
  expect(summary.bySource.planMs).toBe(QUOTA_MS);
  // What was recorded while the meter was being told is a debt of its minute.
  const lateMs = summary.bySource.extraMs - usedMs;
  expect(lateMs).toBeGreaterThanOrEqual(0);
  expect(lateMs).toBeLessThan(LATE_MS * SPEED);
  const lentMs = endsAt - (summary.startedAt + QUOTA_MS);
  expect(usedMs).toBeLessThan(lentMs + LATE_MS * SPEED);
  const { session } = await recorder.next('started');
  await expectReceipt(session, { purchase, lentMs: HOLD_MS, ms: usedMs });
  const next = (await post(acme, '', { package: 'minutes-60' })).purchase;
  await expect(post(acme, `/${next}/hold`)).rejects.toThrow(/409 .*holdRefused.*not paid/);
});

it('a lot that expires under a recording: all until then is burnt from it, and the next one serves', async () => {
  const acme = await account();
  const give = { minutes: 60, kind: 'extra', reason: 'try' };
  const adjustments = `/v1/orgs/${acme.org}/adjustments`;
  const first = await product.api<{ adjustment: string }>('POST', adjustments, give);
  await product.api('POST', adjustments, give);
  const recorder = await record(acme);
  const { startedAt } = await recorder.next('started').then(({ reading }) => ({
    startedAt: reading.at,
  }));
  // After the plan's own minutes, of which none must be left by then.
  const expiresAt = Math.max(await now(), startedAt + QUOTA_MS) + 1_500 * SPEED;
  const lotIs = eq(extraMinutesPurchases.id, first.adjustment);
  await database.db.transaction(async (tx) => {
    await tx.update(extraMinutesPurchases).set({ expiresAt }).where(lotIs);
    await applyGrant(tx, acme.org);
  });
  const ahead = await recorder.next('expiry', ({ extraExpires }) => extraExpires !== null);
  expect(ahead).toMatchObject({ notice: 'minutes', extraExpires: { at: expiresAt, ms: HOUR_MS } });
  const gone = await recorder.next('expiry', ({ notice }) => notice === 'expired');
  const [lot] = await database.db.select().from(extraMinutesPurchases).where(lotIs);
  expect(gone.expired).toEqual({ at: expiresAt, ms: HOUR_MS - lot!.usedMs });
  const { summary } = await recorder.stop();
  expect(summary).toMatchObject({ overshootMs: 0, bySource: { planMs: QUOTA_MS } });
  const goodMs = expiresAt - startedAt - QUOTA_MS;
  expect(lot!.usedMs).toBeGreaterThan(goodMs - LATE_MS * SPEED);
  expect(lot!.usedMs).toBeLessThan(goodMs + LATE_MS * SPEED);
  expect(recorder.messages.map(({ type }) => type)).not.toContain('stop');
});
