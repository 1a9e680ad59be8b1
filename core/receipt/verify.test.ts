import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.ts';
import { createReceiptKeys } from './keys.ts';
import type { Receipt } from './receipt.ts';
import { testReceipt } from './test-receipt.ts';
import { verifyReceipt } from './verify.ts';

const keys = createReceiptKeys(['a secret of this test, long enough to be one']);
const others = createReceiptKeys(['another secret, which signs other receipts']);
const bytesOf = (value: unknown) => Buffer.from(canonicalJson(value));
const part = fc.nat(20_000);
const specs = fc.record({
  minutes: fc.array(fc.record({ planMs: part, extraMs: part, debtMs: part }), { maxLength: 6 }),
  overshootMs: fc.nat(5_000),
  givenBackMs: fc.nat(100_000),
  reason: fc.string(),
});
const failed = (bytes: Uint8Array, jwks: unknown = keys.jwks) =>
  verifyReceipt(bytes, jwks)
    .findings.filter((it) => !it.holds)
    .map((it) => it.code);

describe('a receipt', () => {
  it('that was signed holds, and reads the same however often it is made', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        const bytes = bytesOf(keys.sign(testReceipt(spec)));
        expect(failed(bytes)).toEqual([]);
        expect(verifyReceipt(bytes, keys.jwks).holds).toBe(true);
        // Ed25519 needs no chance: the same receipt has one signature.
        expect(bytesOf(keys.sign(testReceipt(spec))).equals(bytes)).toBe(true);
      }),
    );
  });

  it('of which any byte was changed is refused', () => {
    fc.assert(
      fc.property(specs, fc.nat(), fc.integer({ min: 1, max: 255 }), (spec, where, flip) => {
        const bytes = bytesOf(keys.sign(testReceipt(spec)));
        bytes[where % bytes.length]! ^= flip;
        expect(verifyReceipt(bytes, keys.jwks).holds).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('is refused with every single bit of it changed', () => {
    const spec = { minutes: [{ planMs: 9, extraMs: 1, debtMs: 0 }] };
    const bytes = bytesOf(keys.sign(testReceipt({ ...spec, ...NOTHING_ELSE })));
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 1; bit < 256; bit *= 2) {
        bytes[at]! ^= bit;
        const { holds } = verifyReceipt(bytes, keys.jwks);
        expect(holds, `byte ${at}, bit ${bit}`).toBe(false);
        bytes[at]! ^= bit;
      }
    }
    expect(verifyReceipt(bytes, keys.jwks).holds).toBe(true);
  });

  it('is refused with something put in, taken out, or written anew', () => {
    const text = canonicalJson(keys.sign(testReceipt({ minutes: [], ...NOTHING_ELSE })));
    expect(failed(Buffer.from(`${text}\n`))).toEqual([]);
    for (const other of [
      `${text} `,
      ` ${text}`,
      `\ufeff${text}`,
      text.slice(0, -1),
      `${text}\n\n`,
    ]) {
      expect(failed(Buffer.from(other))).toEqual(['text']);
    }
    const value = JSON.parse(text);
    expect(failed(Buffer.from(JSON.stringify(value, null, 2)))).toEqual(['text']);
    expect(failed(bytesOf({ ...value, more: 1 }))).toEqual(['text']);
    const { reason: _, ...less } = value.receipt;
    expect(failed(bytesOf({ ...value, receipt: less }))).toEqual(['text']);
    expect(failed(Buffer.from(text.replace('"user":"ann"', '"user":"bob","user":"ann"')))).toEqual([
      'text',
    ]);
  });

  it('holds by a key that signs no more, and by no other, nor by one that borrows its name', () => {
    const signed = keys.sign(testReceipt({ minutes: [], ...NOTHING_ELSE }));
    const rotated = createReceiptKeys([
      ...(['the secret that came after it, just as long'] as const),
      'a secret of this test, long enough to be one',
    ]);
    expect(failed(bytesOf(signed), rotated.jwks)).toEqual([]);
    expect(failed(bytesOf(signed), others.jwks)).toEqual(['signature']);
    const [mine] = keys.jwks.keys;
    const borrowed = { keys: [{ ...others.jwks.keys[0]!, kid: mine!.kid }] };
    expect(failed(bytesOf(signed), borrowed)).toEqual(['signature']);
    // What a set calls a key counts for nothing: its name is its thumbprint.
    const misnamed = { keys: [others.jwks.keys[0]!, { ...mine!, kid: 'another name' }] };
    expect(failed(bytesOf(signed), misnamed)).toEqual([]);
    for (const jwks of [null, {}, { keys: [null, 1, {}] }, { keys: 'x' }]) {
      expect(failed(bytesOf(signed), jwks)).toEqual(['signature']);
    }
  });
});

const NOTHING_ELSE = { overshootMs: 0, givenBackMs: 0, reason: 'stopped' };

describe('a receipt that was signed, and does not add up,', () => {
  const spec = {
    minutes: [
      { planMs: 20_000, extraMs: 10_000, debtMs: 5_000 },
      { planMs: 0, extraMs: 7_000, debtMs: 0 },
    ],
    ...{ overshootMs: 300, givenBackMs: 1_000, reason: 'limitReached' },
  };
  it.each<[string, (it: Receipt) => void, string[]]>([
    ['more recorded', (it) => (it.recordedMs += 1), ['recorded']],
    [
      'more charged',
      (it) => {
        it.chargedMs += 1;
        it.recordedMs += 1;
      },
      ['minutes'],
    ],
    ['a minute left out', (it) => it.minutes.pop(), ['minutes', 'totals', 'lots', 'periods']],
    ['a source too much', (it) => (it.minutes[0]!.planMs += 1), ['split', 'totals']],
    ['a lot too little', (it) => (it.minutes[0]!.lots[0]!.ms -= 1), ['split', 'lots']],
    ['another lot', (it) => (it.lots[0]!.purchase = 'lot-2'), ['lots']],
    ['a minute twice', (it) => (it.minutes[1]!.index = 0), ['sixty']],
    ['a sum by source', (it) => (it.bySource.planMs += 1), ['totals']],
    ['a rule left out', (it) => it.rules.pop(), ['totals']],
    ['a period of more', (it) => (it.periods[0]!.ms += 1), ['periods']],
    ['rounded twice', (it) => (it.billed!.ms += 60_000), ['totals', 'billed']],
    ['more given back', (it) => (it.givenBack[0]!.ms = 1e9), ['totals', 'givenBack']],
    [
      ...(['a minute of 61 s'] as const),
      (it) => {
        for (const at of [it.minutes[0]!, it.bySource]) at.planMs += 26_000;
        it.minutes[0]!.ms += 26_000;
        it.periods[0]!.ms += 26_000;
        it.chargedMs += 26_000;
        it.recordedMs += 26_000;
        it.rules[0]!.ms += 26_000;
        it.billed!.ms += 60_000;
        it.rules.at(-1)!.ms += 34_000;
      },
      ['sixty'],
    ],
  ])('is refused: %s', (_, change, codes) => {
    const receipt = testReceipt(spec);
    expect(failed(bytesOf(keys.sign(receipt)))).toEqual([]);
    change(receipt);
    expect(failed(bytesOf(keys.sign(receipt)))).toEqual(expect.arrayContaining(codes));
    if (codes[0] === 'sixty') expect(failed(bytesOf(keys.sign(receipt)))).toContain('sixty');
  });
});
