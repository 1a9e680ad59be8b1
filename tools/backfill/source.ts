import type { Kind } from './columns.ts';

/** A row as the source has it; an empty cell is one that is null. */
export interface SourceRow {
  /** of the file, its header being line 1; of a table the row's number */
  line: number;
  cells: string[];
  /** why it could not be read; `cells` then holds the line as it stands */
  malformed?: string;
}

export interface SourceTable {
  kind: Kind;
  /** what a person calls it: a file's or a table's name */
  name: string;
  columns: string[];
  /** in batches, read as they are asked for */
  rows(): AsyncIterable<SourceRow[]>;
}

export interface Source {
  /** without passwords */
  name: string;
  tables: SourceTable[];
  stop(): Promise<void>;
}

/** The source can't be used; the message says what to do. */
export class SourceError extends Error {
  override name = 'SourceError';
}
