import { createHash } from 'node:crypto';
import { type ColumnMap, type Field, type Kind, resolveColumns } from './columns.ts';
import { createInstants, type ReadInstant } from './instant.ts';
import type { SkipKind, Skips } from './skips.ts';
import type { SourceRow, SourceTable } from './source.ts';

/** Of a row that is not taken as it stands. */
export interface Refusal {
  kind: SkipKind;
  says: string;
}
export const refuse = (kind: SkipKind, says: string): Refusal => ({ kind, says });
export const isRefusal = (it: object): it is Refusal => 'kind' in it && 'says' in it;

export const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
export const idProblem = (what: string, id: string) =>
  refuse('badId', `the ${what} "${id}" must be of letters, digits and ". _ : -", 128 at most`);

/** Named by what it is made of: the same every time. */
export const derivedId = (...parts: (string | number)[]): string =>
  `import-${createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 24)}`;

export interface ReadOptions {
  maps: Partial<Record<Kind, ColumnMap>>;
  zone: string;
  /** of rows that name none */
  org: string | null;
  /** on which organizations that are not there are made; null: none are */
  plan: string | null;
  /** sessions that began from this instant on are measured here */
  until: number | null;
  /** meter instant */
  now: number;
}

/** The cells of a row by the names of fields; "" where there is no such column. */
export interface Reading<K extends Kind> {
  cell(row: SourceRow, field: Field<K>): string;
  has(field: Field<K>): boolean;
  instant(text: string): ReadInstant;
}

/** @throws ColumnError */
export function createReading<K extends Kind>(
  kind: K,
  table: SourceTable,
  { maps, zone }: Pick<ReadOptions, 'maps' | 'zone'>,
): Reading<K> {
  const columns = resolveColumns(kind, table.name, table.columns, maps[kind]);
  return {
    cell(row, field) {
      const index = columns[field];
      return index === undefined ? '' : (row.cells[index] ?? '').trim();
    },
    has: (field) => columns[field] !== undefined,
    instant: createInstants(zone),
  };
}

/** Batches of a table without the rows that could not be read, which are said. */
export async function* readable(
  table: SourceTable,
  skips: Skips,
  read: (rows: number) => void,
): AsyncGenerator<SourceRow[]> {
  for await (const rows of table.rows()) {
    read(rows.length);
    for (const row of rows) {
      if (row.malformed !== undefined) skips.add(table, row, 'malformed', row.malformed);
    }
    yield rows.filter((row) => row.malformed === undefined);
  }
}
