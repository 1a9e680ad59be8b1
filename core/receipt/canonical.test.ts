import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.ts';

describe('canonical JSON', () => {
  it('is that of the example in RFC 8785, section 3.2.2', () => {
    const given = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`;
    expect(canonicalJson(JSON.parse(given))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  it('sorts names by UTF-16 code units, as the example in section 3.2.3', () => {
    const given = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    const values = Object.values(JSON.parse(canonicalJson(given)) as object);
    // Read back, '1' comes first whatever the order; the text is what counts.
    expect(values).toHaveLength(7);
    const order = [...canonicalJson(given).matchAll(/:"([A-Z][a-z]+)/g)].map((it) => it[1]);
    expect(order).toEqual([...['Carriage', 'One', 'Control', 'Latin', 'Euro', 'Emoji', 'Hebrew']]);
  });

  it.each([
    ['0', 0],
    ['0', -0],
    ['5e-324', Number.MIN_VALUE],
    ['1.7976931348623157e+308', Number.MAX_VALUE],
    ['9007199254740992', 2 ** 53],
    ['295147905179352830000', 2 ** 68],
    ['9.999999999999997e+22', 9.999999999999997e22],
    ['1e+23', 1e23],
    ['0.000001', 0.000001],
    ['1e-7', 1e-7],
  ])('writes the number %s as appendix B does', (text, number) => {
    expect(canonicalJson(number)).toBe(text);
  });

  it('refuses what has no canonical form', () => {
    for (const value of [
      Number.NaN,
      Infinity,
      undefined,
      1n,
      () => 1,
      '\ud800',
      { a: undefined },
    ]) {
      expect(() => canonicalJson(value)).toThrow(TypeError);
    }
    expect(() => canonicalJson(new Date(0))).toThrow(/plain objects/);
    expect(() => canonicalJson({ '\udead': 1 })).toThrow(/lone surrogate/);
  });

  it('is one text for one value, which reads back as that value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        expect(JSON.stringify(sorted(JSON.parse(text)))).toBe(
          JSON.stringify(sorted(JSON.parse(JSON.stringify(value)))),
        );
      }),
    );
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sorted(inner)]);
}
