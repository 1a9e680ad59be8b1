import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { isTimeZone } from '../../core/calendar/local-day.ts';
import { FlagError, readArgs } from '../../core/runtime/command.ts';
import { idFlag } from '../id-flag.ts';
import { type ColumnMap, KINDS, type Kind } from './columns.ts';
import { createInstants } from './instant.ts';

export interface BackfillFlags {
  from: string;
  /** table or file by its kind */
  tables: Map<Kind, string>;
  maps: Partial<Record<Kind, ColumnMap>>;
  zone: string;
  org: string | null;
  plan: string | null;
  until: number | null;
  isDryRun: boolean;
  isJson: boolean;
  rejects: string | null;
  dataDir: string;
}

export const HELP = `Usage: npm run backfill -- --from SOURCE [flags]

Imports what a system built by hand has counted: sessions, minutes, purchased extra minutes, and its
organizations and members. May be run again and again: what is there is not taken twice. Which names of
tables and columns are understood, and how to change over, is in docs/migrate.md.

  --from SOURCE       FILE.csv, a folder of CSV files, or postgres://user:password@host/database
  --table KIND=NAME   the table or file of a kind, if its name is unusual; NAME alone is the one with
                      the minutes. Kinds: ${KINDS.join(', ')}
  --map FILE.json     columns with unusual names: {"usage": {"user": "who", "seconds": "len"}}
  --zone NAME         time zone of times without an offset, and of months in the report (UTC)
  --org ID            organization of rows that name none
  --plan ID           plan on which organizations that are not there are made; without it their rows
                      are rejected
  --until TIME        leave out sessions that began then or later: they are measured here
  --rejects PREFIX    where rejected rows go, PREFIX-TABLE.csv (backfill-rejects; with --dry-run they
                      are written only if this is given)
  --dry-run           write nothing, and say what would be done
  --json              the report as JSON on standard output
  --data DIR          data folder of the "npm start" to import into (.taximeter in the project)
  --help              show this

DATABASE_URL names the database to import into instead, as the worker logs in. The exit code is 0 when
all that could be imported was, also if rows were rejected; 1 when it was cut short: run it again; 2
when a flag, the map or the source can't be used.`;

const mapShape = z.union([
  z.partialRecord(z.enum(KINDS), z.record(z.string(), z.string())),
  z.record(z.string(), z.string()).transform((usage) => ({ usage })),
]);

function readMap(path: string): BackfillFlags['maps'] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new FlagError(`--map: there is no file ${path} that can be read.`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new FlagError(`--map: ${path} is no JSON: ${(error as Error).message}`);
  }
  const read = mapShape.safeParse(json);
  if (read.success) return read.data;
  throw new FlagError(
    `--map: ${path} must be like {"usage": {"user": "a column"}}, with these kinds: ${KINDS.join(', ')}.`,
  );
}

function readTables(given: readonly string[]): Map<Kind, string> {
  const tables = new Map<Kind, string>();
  for (const it of given) {
    const [kind, ...rest] = it.split('=');
    if (rest.length === 0) tables.set('usage', it);
    else if ((KINDS as readonly string[]).includes(kind!)) tables.set(kind as Kind, rest.join('='));
    else throw new FlagError(`--table: "${kind}" is none of ${KINDS.join(', ')}.`);
  }
  return tables;
}

/** @throws FlagError */
export function parseFlags(args: readonly string[]): BackfillFlags | 'help' {
  const text = { type: 'string' } as const;
  const on = { type: 'boolean' } as const;
  const options = {
    ...{ from: text, map: text, zone: text, org: text, plan: text, until: text, rejects: text },
    ...{ data: text, 'dry-run': on, json: on },
    table: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = readArgs({ args: [...args], options, strict: true });
  if (values.help === true) return 'help';
  if (!values.from) throw new FlagError('--from is missing: a CSV file, a folder or postgres://…');
  const zone = values.zone ?? 'UTC';
  if (!isTimeZone(zone)) {
    throw new FlagError(`--zone: "${zone}" is no time zone like Europe/Berlin.`);
  }
  const until = values.until === undefined ? null : createInstants(zone)(values.until);
  if (until !== null && 'problem' in until) throw new FlagError(`--until: ${until.problem}.`);
  const isDryRun = values['dry-run'] === true;
  return {
    from: values.from,
    tables: readTables(values.table ?? []),
    maps: values.map === undefined ? {} : readMap(values.map),
    zone,
    org: idFlag('org', values.org),
    plan: idFlag('plan', values.plan),
    until: until === null ? null : until.at,
    isDryRun,
    isJson: values.json === true,
    rejects: values.rejects ?? (isDryRun ? null : 'backfill-rejects'),
    dataDir: resolve(values.data ?? '.taximeter'),
  };
}
