import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvLine, streamOf } from './csv.ts';

/** A reader of RFC 4180, written from its grammar and from nothing here. */
function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length) {
    let field = '';
    if (text[at] === '"') {
      for (at += 1; ; at += 1) {
        if (text[at] === '"' && text[at + 1] === '"') at += 1;
        else if (text[at] === '"') break;
        else if (at >= text.length) throw new Error('an open quote');
        field += text[at];
      }
      at += 1;
    } else {
      for (; at < text.length && !',\r\n"'.includes(text[at]!); at += 1) field += text[at];
    }
    record.push(field);
    if (text[at] === ',') at += 1;
    else if (text.startsWith('\r\n', at)) {
      records.push(record);
      record = [];
      at += 2;
    } else throw new Error(`neither a comma nor a line end at ${at}: ${JSON.stringify(text[at])}`);
  }
  return records;
}

describe('a line', () => {
  it('is read back by the grammar, whatever is in its cells', () => {
    const text = fc.string({ unit: fc.constantFrom(...'a=+-@",\r\n\t ;é') });
    fc.assert(
      fc.property(fc.array(fc.array(text, { minLength: 1, maxLength: 5 })), (rows) => {
        const read = readCsv(rows.map(csvLine).join(''));
        expect(read.length).toBe(rows.length);
        read.forEach((cells, r) => {
          cells.forEach((cell, c) => {
            const given = rows[r]![c]!;
            const isGuarded = /^[=+\-@\t\r\n]/.test(given);
            expect(cell).toBe(isGuarded ? `'${given}` : given);
            expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
          });
        });
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['=HYPERLINK("http://evil")', `"'=HYPERLINK(""http://evil"")"`],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
  ])('guards %j', (given, written) => {
    expect(csvLine([given])).toBe(`${written}\r\n`);
  });

  it('writes numbers as numbers, and nothing as nothing', () => {
    expect(csvLine([1.5, null, 0])).toBe('1.5,,0\r\n');
  });
});

describe('a stream', () => {
  it('asks for a part when one is wanted, and stops asking when nobody reads', async () => {
    let asked = 0;
    let ended = false;
    async function* parts() {
      try {
        for (;;) {
          asked += 1;
          yield 'x'.repeat(1_000);
        }
      } finally {
        ended = true;
      }
    }
    const reader = streamOf(parts(), () => {}).getReader();
    for (let i = 0; i < 3; i += 1) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).toBe(3);
    await reader.cancel();
    expect(ended).toBe(true);
  });

  it('that fails is broken off, and said', async () => {
    const said: unknown[] = [];
    async function* parts(): AsyncGenerator<string> {
      yield 'head\r\n';
      throw new Error('the ledger is gone');
    }
    const reader = streamOf(parts(), (error) => void said.push(error)).getReader();
    await reader.read();
    await expect(reader.read()).rejects.toThrow('the ledger is gone');
    expect(said).toHaveLength(1);
  });
});
