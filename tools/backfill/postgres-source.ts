import postgres from 'postgres';
import { KINDS, type Kind, TABLES } from './columns.ts';
import { type Source, SourceError, type SourceRow, type SourceTable } from './source.ts';

const ROWS_A_BATCH = 2_000;
const CONNECT_TIMEOUT_S = 10;

interface Found {
  schema: string;
  table: string;
  columns: string[];
}

async function findTables(sql: postgres.Sql, source: string): Promise<Found[]> {
  try {
    return await sql<Found[]>`
      select table_schema as schema, table_name as "table",
        array_agg(column_name::text order by ordinal_position) as columns
      from information_schema.columns
      where table_schema not in ('pg_catalog', 'information_schema')
      group by 1, 2 order by (table_schema = 'public') desc, 1, 2`;
  } catch (error) {
    throw new SourceError(`${source} can't be asked: ${(error as Error).message}`);
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** As text, in one snapshot; an instant with its offset, one without a zone as it stands. */
async function* rowsOf(sql: postgres.Sql, { schema, table, columns }: Found) {
  const cells = columns.map((it) => `${quoted(it)}::text`).join(', ');
  const query = `select ${cells} from ${quoted(schema)}.${quoted(table)}`;
  let line = 0;
  for await (const rows of sql.unsafe(query).values().cursor(ROWS_A_BATCH)) {
    yield (rows as unknown as (string | null)[][]).map((row): SourceRow => {
      line += 1;
      return { line, cells: row.map((cell) => (cell ?? '').trim()) };
    });
  }
}

/**
 * A Postgres database of the old system, read only.
 * @throws SourceError where it can't be asked, or has no table that is known
 */
export async function openPostgresSource(
  url: string,
  named: ReadonlyMap<Kind, string>,
): Promise<Source> {
  const { hostname, port, pathname } = new URL(url);
  const name = `${hostname}:${port || 5432}${pathname}`;
  const sql = postgres(url, {
    ...{ max: 1, onnotice: () => {}, connect_timeout: CONNECT_TIMEOUT_S },
    connection: { TimeZone: 'UTC', default_transaction_read_only: 'on' } as object,
  });
  try {
    const found = await findTables(sql, name);
    const names = found.map((it) => it.table).join(', ');
    const tables = KINDS.flatMap((kind): SourceTable[] => {
      const asked = named.get(kind);
      const wanted = asked === undefined ? TABLES[kind] : [asked];
      const match = wanted
        .map((it) => found.find((one) => one.table === it || `${one.schema}.${one.table}` === it))
        .find((it) => it !== undefined);
      if (asked !== undefined && match === undefined) {
        throw new SourceError(`${name} has no table "${asked}". Its tables are: ${names}.`);
      }
      if (match === undefined) return [];
      return [{ kind, name: match.table, columns: match.columns, rows: () => rowsOf(sql, match) }];
    });
    if (tables.length === 0) {
      throw new SourceError(
        `No table of ${name} has a usual name. Its tables are: ${names}. ` +
          'Name the one with the minutes by --table usage=NAME.',
      );
    }
    return { name, tables, stop: () => sql.end({ timeout: CONNECT_TIMEOUT_S }) };
  } catch (error) {
    await sql.end({ timeout: CONNECT_TIMEOUT_S });
    throw error;
  }
}
