import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse/sync';
import { type Kind, kindOf } from './columns.ts';
import { type Source, SourceError, type SourceRow, type SourceTable } from './source.ts';

const ROWS_A_BATCH = 2_000;
/** A quoted cell may go over lines, but a quote that is never closed must not swallow the file. */
const MOST_LINES_A_ROW = 20;
const DELIMITERS = [',', ';', '\t', '|'];

interface Text {
  line: number;
  text: string;
}

const quotesOf = (text: string) => text.split('"').length - 1;

async function* linesOf(path: string): AsyncGenerator<Text> {
  const input = createReadStream(path, { encoding: 'utf8' });
  const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let line = 0;
  try {
    for await (const text of reader) {
      line += 1;
      yield { line, text: line === 1 ? text.replace(/^\uFEFF/, '') : text };
    }
  } finally {
    reader.close();
    input.destroy();
  }
}

/**
 * Joins lines up to the one that closes a quote; where that makes no row, or none does soon, the first
 * stands alone: it is the one to be rejected, and those behind it are rows like others.
 */
async function* recordsOf(
  lines: AsyncIterable<Text>,
  isWhole: (text: string) => boolean = () => true,
): AsyncGenerator<Text> {
  let open: Text[] = [];
  function* closed(isEnd: boolean): Generator<Text> {
    while (open.length > 0) {
      if (open[0]!.text.trim() === '') {
        open = open.slice(1);
        continue;
      }
      let quotes = 0;
      let end = open.findIndex(({ text }) => {
        quotes += quotesOf(text);
        return quotes % 2 === 0;
      });
      if (end === -1) {
        if (!isEnd && open.length < MOST_LINES_A_ROW) return;
        end = 0;
      }
      const joined = () => open.slice(0, end + 1).map((it) => it.text);
      if (end > 0 && !isWhole(joined().join('\n'))) end = 0;
      yield { line: open[0]!.line, text: joined().join('\n') };
      open = open.slice(end + 1);
    }
  }
  for await (const it of lines) {
    if (open.length === 0) {
      if (it.text.trim() === '') continue;
      if (!it.text.includes('"')) {
        yield it;
        continue;
      }
    }
    open.push(it);
    yield* closed(false);
  }
  yield* closed(true);
}

const parsing = (delimiter: string) => ({
  delimiter,
  relax_column_count: true,
  relax_quotes: true,
  trim: true,
});

/** All at once, which is fast; one by one where they don't come out as many as they went in. */
function parseRecords(records: readonly Text[], delimiter: string): SourceRow[] {
  const read = (text: string) => parse(text, parsing(delimiter)) as string[][];
  try {
    const all = read(records.map(({ text }) => text).join('\n'));
    if (all.length === records.length) {
      return all.map((cells, i) => ({ line: records[i]!.line, cells }));
    }
  } catch {
    // The guilty one is found below.
  }
  return records.map(({ line, text }) => {
    try {
      const rows = read(text);
      if (rows.length === 1) return { line, cells: rows[0]! };
    } catch {
      // Said with the row.
    }
    return { line, cells: [text], malformed: 'a quote in it is not closed' };
  });
}

async function* batchesOf(path: string, delimiter: string, columns: number) {
  let some: Text[] = [];
  let isHeader = true;
  const parsed = () => {
    const rows = parseRecords(some, delimiter);
    some = [];
    for (const row of rows) {
      if (row.malformed !== undefined || row.cells.length === columns) continue;
      row.malformed = `it has ${row.cells.length} cells, and the header ${columns}`;
    }
    return rows;
  };
  const isWhole = (text: string) => {
    try {
      const rows = parse(text, { ...parsing(delimiter), relax_quotes: false }) as string[][];
      return rows.length === 1 && rows[0]!.length === columns;
    } catch {
      return false;
    }
  };
  for await (const record of recordsOf(linesOf(path), isWhole)) {
    if (isHeader) {
      isHeader = false;
      continue;
    }
    some.push(record);
    if (some.length >= ROWS_A_BATCH) yield parsed();
  }
  if (some.length > 0) yield parsed();
}

/** @throws SourceError where there is no such file, or nothing in it */
export async function openCsv(path: string, kind?: Kind): Promise<SourceTable> {
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new SourceError(`There is no file ${path}.`);
  }
  for await (const { text } of recordsOf(linesOf(path))) {
    const count = (delimiter: string) => text.split(delimiter).length;
    const delimiter = [...DELIMITERS].sort((a, b) => count(b) - count(a))[0]!;
    const [row] = parseRecords([{ line: 1, text }], delimiter);
    const columns = row!.cells;
    const name = basename(path);
    return {
      kind: kind ?? kindOf(basename(path, extname(path))) ?? 'usage',
      name,
      columns,
      rows: () => batchesOf(path, delimiter, columns.length),
    };
  }
  throw new SourceError(`${path} is empty: its first line must name the columns.`);
}

/** A CSV file, or a folder of files that are named as tables are. */
export async function openCsvSource(
  from: string,
  named: ReadonlyMap<Kind, string>,
): Promise<Source> {
  const tables: SourceTable[] = [];
  const isFolder = existsSync(from) && statSync(from).isDirectory();
  if (isFolder) {
    const files = readdirSync(from).filter((it) => it.toLowerCase().endsWith('.csv'));
    for (const file of files.sort()) {
      const kind = kindOf(basename(file, extname(file)));
      if (kind === undefined || named.has(kind)) continue;
      tables.push(await openCsv(join(from, file), kind));
    }
  } else if (![...named.values()].includes(from)) {
    tables.push(await openCsv(from));
  }
  for (const [kind, file] of named) {
    const inFolder = isFolder && !existsSync(file) ? join(from, file) : file;
    tables.push(await openCsv(inFolder, kind));
  }
  return { name: from, tables, stop: async () => {} };
}
