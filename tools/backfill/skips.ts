import { closeSync, openSync, writeSync } from 'node:fs';
import type { SourceRow, SourceTable } from './source.ts';

const MOST_EXAMPLES = 5;
const BUFFER_CHARS = 65_536;

/** Why a row, or a part of it, did not come in. `isBad`: it is written to the rejects file. */
export const SKIPS = {
  malformed: { isBad: true, says: 'could not be read as a row' },
  noTime: { isBad: true, says: 'have no time that can be read' },
  noOrganization: {
    isBad: true,
    says: 'name no organization, and their user is in none or several',
  },
  unknownOrganization: {
    isBad: true,
    says: 'name an organization that is not there (--plan makes it)',
  },
  unknownPlan: { isBad: true, says: 'name a plan that is not there (--plan names one for them)' },
  noUser: { isBad: true, says: 'name no user' },
  badId: { isBad: true, says: 'have an id that can be none here' },
  badNumber: { isBad: true, says: 'have a figure that is none' },
  badZone: { isBad: true, says: 'have a time zone that does not exist' },
  negative: { isBad: true, says: 'have less than no time' },
  tooLong: { isBad: true, says: 'are longer than a week' },
  future: { isBad: true, says: 'lie in the future' },
  over60: {
    isBad: true,
    says: 'had more than 60 s in a minute: 60 s were taken, the rest was not',
  },
  measuredHere: { isBad: true, says: 'are of a session that was measured here' },
  notPaid: { isBad: true, says: 'are purchases that were not paid, or given back' },
  empty: { isBad: false, says: 'have no time in them' },
  afterUntil: { isBad: false, says: 'are of sessions that began at --until or later' },
  duplicate: { isBad: false, says: 'were there twice; the larger figure counts' },
  known: { isBad: false, says: 'were imported before' },
} as const satisfies Record<string, { isBad: boolean; says: string }>;
export type SkipKind = keyof typeof SKIPS;

export interface Skipped {
  kind: SkipKind;
  says: string;
  rows: number;
  examples: { table: string; line: number; says: string }[];
}

export interface Skips {
  add(table: SourceTable, row: SourceRow, kind: SkipKind, says?: string): void;
  /** rows that were no row of their own, or are known by their count only */
  count(kind: SkipKind, rows: number): void;
  all(): Skipped[];
  /** files with rejected rows */
  files(): string[];
  stop(): void;
}

const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Made with its first row; a run of the same source writes it anew. */
function createRejects(path: string, columns: readonly string[]) {
  const file = openSync(path, 'w');
  let buffer = `${[...columns, 'line', 'reason', 'says'].map(cell).join(',')}\n`;
  const flush = () => {
    writeSync(file, buffer);
    buffer = '';
  };
  return {
    write(row: SourceRow, kind: SkipKind, says: string) {
      // A line that is no row stands in the first cell as it is; one with too many cells keeps them.
      const cells = [...row.cells, ...columns.slice(row.cells.length).map(() => '')];
      buffer += `${[...cells, String(row.line), kind, says].map(cell).join(',')}\n`;
      if (buffer.length > BUFFER_CHARS) flush();
    },
    stop() {
      flush();
      closeSync(file);
    },
  };
}

/** @param prefix of the rejects' files; null: none are written */
export function createSkips(prefix: string | null): Skips {
  const kinds = new Map<SkipKind, Skipped>();
  const rejects = new Map<string, ReturnType<typeof createRejects>>();
  const of = (kind: SkipKind) => {
    let known = kinds.get(kind);
    if (known === undefined) {
      known = { kind, says: SKIPS[kind].says, rows: 0, examples: [] };
      kinds.set(kind, known);
    }
    return known;
  };
  return {
    add(table, row, kind, says = '') {
      const skipped = of(kind);
      skipped.rows += 1;
      if (skipped.examples.length < MOST_EXAMPLES) {
        skipped.examples.push({ table: table.name, line: row.line, says });
      }
      if (prefix === null || !SKIPS[kind].isBad) return;
      const path = `${prefix}-${table.name.replace(/\.csv$/i, '')}.csv`;
      let file = rejects.get(path);
      if (file === undefined) {
        file = createRejects(path, table.columns);
        rejects.set(path, file);
      }
      file.write(row, kind, says);
    },
    count(kind, rows) {
      if (rows > 0) of(kind).rows += rows;
    },
    all: () => [...kinds.values()].sort((a, b) => b.rows - a.rows),
    files: () => [...rejects.keys()],
    stop() {
      for (const file of rejects.values()) file.stop();
    },
  };
}
