import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReceiptKeys } from '../../../core/receipt/keys.ts';
import { verifyReceipt } from '../../../core/receipt/verify.ts';
import { DEVELOPMENT_KEY } from '../../../core/runtime/api-key.ts';
import { ensurePeriod } from '../../../drizzle/queries/ensure-period.ts';
import { extraMinutesPurchases, extraMinutesUsage } from '../../../drizzle/schema/extra-minutes.ts';
import { sessions, usageTracking } from '../../../drizzle/schema/sessions.ts';
import { createHttp } from '../app.ts';
import { JUNE, MAY, START, startTestHttp, type TestHttp } from '../test-http.ts';

const iso = (at: number) => new Date(at).toISOString();
const BEGAN = JUNE - 90_000;
let http: TestHttp;

/** Two and a half minutes across the turn of the month, over all sources, stopped at the limit. */
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/pro', { name: 'Pro', minutes: 60, roundTo: 'minute' });
  await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'pro' });
  for (const at of [START, JUNE]) await ensurePeriod(http.db, 'acme', at);
  await http.db.insert(sessions).values({
    ...{ org: 'acme', id: 'talk', user: 'ann', startedAt: BEGAN, startMonth: '2026-05-01' },
    ...{ firstPeriod: MAY, lastPeriod: JUNE, generation: 0, state: 'closed' as const },
    ...{ endedAt: JUNE + 61_000, recordedMs: 151_000, overshootMs: 1_000, settledMs: 150_000 },
    ...{ reason: 'limitReached', stoppedBy: `o|acme|${JUNE}` },
  });
  const minute = (index: number, period: number, parts: object) => ({
    ...{ sessionMonth: '2026-05-01', org: 'acme', session: 'talk', user: 'ann', day: '2026-05-31' },
    ...{ minute: index, period, ms: 60_000, planMs: 0, extraMs: 0, overageMs: 0 },
    ...{ billableMs: 0, debtMs: 0, ...parts },
  });
  await http.db
    .insert(usageTracking)
    .values([
      minute(0, MAY, { planMs: 60_000 }),
      minute(1, MAY, { ms: 30_000, planMs: 30_000 }),
      minute(1, JUNE, { ms: 30_000, planMs: 10_000, extraMs: 20_000 }),
      minute(2, JUNE, { ms: 30_000, extraMs: 10_000, overageMs: 20_000, debtMs: 5_000 }),
    ]);
  await http.db.insert(extraMinutesPurchases).values([
    { id: 'new', org: 'acme', grantedMs: 15_000, usedMs: 15_000, purchasedAt: 2, source: 'import' },
    { id: 'old', org: 'acme', grantedMs: 15_000, usedMs: 15_000, purchasedAt: 1, source: 'import' },
  ]);
  const burn = (index: number, purchase: string, ms: number) => ({
    ...{ sessionMonth: '2026-05-01', org: 'acme', session: 'talk', period: JUNE },
    ...{ minute: index, purchase, ms },
  });
  await http.db
    .insert(extraMinutesUsage)
    .values([burn(1, 'old', 15_000), burn(1, 'new', 5_000), burn(2, 'new', 10_000)]);
});
afterAll(() => http.stop());

async function bytesOf(path: string, changes: object = {}): Promise<Buffer> {
  const response = await createHttp({ ...http.deps, ...changes }).request(path, {
    headers: { authorization: `Bearer ${DEVELOPMENT_KEY}` },
  });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}
const PATH = '/v1/sessions/talk/receipt?org=acme';
const publicKeys = async () =>
  (await http.call('GET', '/v1/receipt-keys', undefined, { as: null })).body;

describe('a receipt', () => {
  it('explains every second by source, lot, rule and the plan of its time, and holds', async () => {
    const bytes = await bytesOf(PATH);
    expect(verifyReceipt(bytes, await publicKeys()).findings.filter((it) => !it.holds)).toEqual([]);
    const { receipt } = JSON.parse(bytes.toString());
    expect(receipt).toMatchObject({
      ...{ format: 'taximeter.receipt/1', session: 'talk', org: 'acme', user: 'ann' },
      ...{ startedAt: iso(BEGAN), endedAt: iso(JUNE + 61_000), reason: 'limitReached' },
      ...{ stoppedBy: 'organization', recordedMs: 151_000, chargedMs: 150_000, overshootMs: 1_000 },
      bySource: { planMs: 100_000, extraMs: 30_000, overageMs: 20_000 },
      overage: { billableMs: 0, debtMs: 5_000, shadowMs: 15_000 },
      billed: { ms: 180_000, roundTo: 'minute' },
      periods: [
        { startsAt: iso(MAY), endsAt: iso(JUNE), ms: 90_000 },
        { startsAt: iso(JUNE), ms: 60_000 },
      ],
      lots: [
        { purchase: 'old', source: 'import', ms: 15_000 },
        { purchase: 'new', source: 'import', ms: 15_000 },
      ],
      rules: [
        { rule: 'withinQuota', ms: 100_000 },
        { rule: 'lotsOldestFirst', ms: 30_000 },
        { rule: 'beyondLimitUnbilled', ms: 5_000 },
        { rule: 'shadowUnbilled', ms: 15_000 },
        { rule: 'overshootNotCharged', ms: 1_000 },
        { rule: 'rounding', ms: 30_000 },
      ],
    });
    expect(receipt.terms.atStart).toMatchObject({ plan: 'pro', planMs: 3_600_000 });
    expect(receipt.minutes).toHaveLength(4);
    expect(receipt.minutes[2].lots).toEqual([
      { purchase: 'new', ms: 5_000 },
      { purchase: 'old', ms: 15_000 },
    ]);
  });

  it('is the same to the byte, whatever becomes of plan, limits, lots and keys', async () => {
    const before = await bytesOf(PATH);
    await http.call('PUT', '/v1/plans/pro', { name: 'Other', minutes: 1, enforcement: 'shadow' });
    await http.call('PUT', '/v1/orgs/acme/members/ann', { minutes: 3 });
    await http.db.execute(sql`
      update extra_minutes_purchases set frozen_at = now(), expired_at = now() where org = 'acme'`);
    expect((await bytesOf(PATH)).equals(before)).toBe(true);
    const rotated = createReceiptKeys(['a secret that came later, and is long enough']);
    const later = JSON.parse((await bytesOf(PATH, { receiptKeys: rotated })).toString());
    expect(later.receipt).toEqual(JSON.parse(before.toString()).receipt);
    // What was given out before holds by the keys of before, and not by those of now.
    expect(verifyReceipt(before, await publicKeys()).holds).toBe(true);
    expect(verifyReceipt(before, rotated.jwks).holds).toBe(false);
  });

  it('names goodwill that was given for it, and no minute of it changes', async () => {
    const before = JSON.parse((await bytesOf(PATH)).toString()).receipt;
    const body = { minutes: 1, kind: 'goodwill', reason: 'A lost minute', session: 'talk' };
    const { body: gift } = await http.call('POST', '/v1/orgs/acme/adjustments', body);
    const bytes = await bytesOf(PATH);
    expect(verifyReceipt(bytes, await publicKeys()).holds).toBe(true);
    const { receipt } = JSON.parse(bytes.toString());
    expect(receipt.givenBack).toEqual([
      { adjustment: gift.adjustment, ms: 60_000, reason: 'A lost minute', givenAt: iso(START) },
    ]);
    expect(receipt.rules).toContainEqual({ rule: 'givenBack', ms: 60_000 });
    const { givenBack: _, rules: __, ...rest } = receipt;
    expect(before).toMatchObject(rest);
  });

  it('of a session that records, or is being settled, is there later', async () => {
    await http.record('acme', 'ann', 'now');
    const answer = await http.call('GET', '/v1/sessions/now/receipt?org=acme');
    expect([answer.status, answer.body.code]).toEqual([409, 'notSettled']);
    expect(answer.headers.get('retry-after')).toBe('2');
    await http.db.execute(sql`insert into sessions (org, id, user_id, started_at, start_month,
      first_period, last_period, state, ended_at, recorded_ms, generation)
      select org, 'ending', user_id, started_at, start_month, first_period, last_period, 'ended',
        ended_at, recorded_ms, 0 from sessions where org = 'acme' and id = 'talk'`);
    const ending = await http.call('GET', '/v1/sessions/ending/receipt?org=acme');
    expect([ending.status, ending.body.detail]).toEqual([409, expect.stringContaining('settled')]);
  });

  it('is its member’s and its organization’s backend’s, and nobody else’s', async () => {
    const status = async (as: string) => (await http.call('GET', PATH, undefined, { as })).status;
    expect(await status(await http.ticket('acme', 'ann'))).toBe(200);
    expect(await status(await http.ticket('acme', 'bob'))).toBe(404);
    expect(await status(await http.makeKey(['globex']))).toBe(403);
    expect((await http.call('GET', '/v1/sessions/none/receipt')).status).toBe(404);
  });

  it('is not given out where there is no key to sign it', async () => {
    const call = http.with({ receiptKeys: null });
    const { status, body } = await call('GET', PATH);
    expect([status, body.code]).toEqual([503, 'receiptKeyMissing']);
    expect((await call('GET', '/v1/receipt-keys')).body).toEqual({ keys: [] });
  });
});

it('the keys of receipts are for anybody, and hold no secret', async () => {
  const { status, body, headers } = await http.call('GET', '/v1/receipt-keys', undefined, {
    as: null,
  });
  expect(status).toBe(200);
  expect(headers.get('cache-control')).toContain('public');
  expect(Object.keys(body.keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
});
