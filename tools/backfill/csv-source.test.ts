/** Files as people have them: quotes, ends of lines, delimiters, and what is broken in them. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCsv } from './csv-source.ts';
import type { SourceRow } from './source.ts';
import { randomOf } from './test-source.ts';

async function read(text: string): Promise<{ columns: string[]; rows: SourceRow[] }> {
  const path = join(tmpdir(), `taximeter-csv-${process.pid}.csv`);
  writeFileSync(path, text);
  const table = await openCsv(path);
  const rows: SourceRow[] = [];
  for await (const some of table.rows()) rows.push(...some);
  return { columns: table.columns, rows };
}

const cellsOf = (rows: SourceRow[]) => rows.map((it) => [it.line, ...it.cells]);

describe('a CSV file', () => {
  it('is read whatever its delimiter, its ends of lines and its mark', async () => {
    for (const delimiter of [',', ';', '\t', '|']) {
      const lines = ['a,b,c', '1,2,3', '', '"4","5, ""5""",6'].map((it) =>
        it.replaceAll(/,(?! )/g, delimiter),
      );
      const { columns, rows } = await read(`\uFEFF${lines.join('\r\n')}\r\n`);
      expect(columns).toEqual(['a', 'b', 'c']);
      expect(cellsOf(rows)).toEqual([
        [2, '1', '2', '3'],
        [4, '4', '5, "5"', '6'],
      ]);
    }
  });

  it('may have a quoted cell over lines', async () => {
    const { rows } = await read('a,b\n1,"two\nlines"\n3,4');
    expect(cellsOf(rows)).toEqual([
      [2, '1', 'two\nlines'],
      [4, '3', '4'],
    ]);
  });

  it('loses no row to a quote that is never closed, wherever there is another', async () => {
    const good = (i: number) => `${i},${i % 5 === 0 ? '"x"' : 'x'}`;
    for (let seed = 0; seed < 40; seed++) {
      const random = randomOf(seed);
      const isBad = Array.from({ length: 80 }, () => random() < 0.15);
      const lines = isBad.map((bad, i) => (bad ? `${i},"open` : good(i)));
      const { rows } = await read(['a,b', ...lines].join('\n'));
      expect(rows.map((it) => it.line)).toEqual(lines.map((_, i) => i + 2));
      expect(rows.map((it) => it.malformed !== undefined)).toEqual(isBad);
    }
  });

  it('says of a row with too few or too many cells how many it has', async () => {
    const { rows } = await read('a,b\n1\n1,2,3\n1,2');
    expect(rows.map((it) => it.malformed)).toEqual([
      'it has 1 cells, and the header 2',
      'it has 3 cells, and the header 2',
      undefined,
    ]);
  });

  it('that is not there or is empty can not be imported, and it is said', async () => {
    await expect(openCsv('/nowhere.csv')).rejects.toThrow('There is no file /nowhere.csv.');
    await expect(read('')).rejects.toThrow('is empty: its first line must name the columns');
  });
});
