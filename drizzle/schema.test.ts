import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { is, Table } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';

let database: TestDatabase;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.adminUrl, { max: 2, onnotice: () => {} });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

interface Column {
  table: string;
  column: string;
  type: string;
  nullable: boolean;
  defaulted: boolean;
  generated: boolean;
}

async function tablesOfCode(): Promise<PgTable[]> {
  const folder = join(import.meta.dirname, 'schema');
  const tables: PgTable[] = [];
  for (const file of readdirSync(folder)) {
    const module: Record<string, unknown> = await import(join(folder, file));
    for (const value of Object.values(module)) if (is(value, Table)) tables.push(value as PgTable);
  }
  return tables;
}

const byName = (a: Column, b: Column) =>
  `${a.table}.${a.column}`.localeCompare(`${b.table}.${b.column}`, 'en');

it('says of every table and column what the migrated database has', async () => {
  const inCode: Column[] = [];
  for (const table of await tablesOfCode()) {
    const { name, columns } = getTableConfig(table);
    for (const column of columns) {
      const generated = column.generated !== undefined || column.generatedIdentity !== undefined;
      inCode.push({
        table: name,
        column: column.name,
        type: column.getSQLType(),
        nullable: !column.notNull,
        defaulted: column.hasDefault && !generated,
        generated,
      });
    }
  }
  const inDatabase = await sql<Column[]>`
    select c.table_name as table, c.column_name as column,
      format_type(a.atttypid, a.atttypmod) as type, c.is_nullable = 'YES' as nullable,
      c.column_default is not null as defaulted,
      c.is_generated = 'ALWAYS' or c.is_identity = 'YES' as generated
    from information_schema.columns c
    join pg_class r on r.relname = c.table_name and r.relnamespace = 'public'::regnamespace
    join pg_attribute a on a.attrelid = r.oid and a.attname = c.column_name
    where c.table_schema = 'public' and r.relkind in ('r', 'p') and not r.relispartition and c.table_name <> 'migrations'`;
  expect([...inDatabase].map((row) => ({ ...row })).sort(byName)).toEqual(inCode.sort(byName));
});

it('names the same primary keys as the migrated database', async () => {
  const inCode = (await tablesOfCode()).map((table) => {
    const { name, columns, primaryKeys } = getTableConfig(table);
    const key = primaryKeys[0]?.columns ?? columns.filter((column) => column.primary);
    return `${name}: ${key.map((column) => column.name).join(' ')}`;
  });
  const rows = await sql<{ key: string }[]>`
    select r.relname || ': ' || string_agg(a.attname, ' ' order by k.position) as key
    from pg_index i
    join pg_class r on r.oid = i.indrelid
    cross join unnest(i.indkey) with ordinality as k (attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indisprimary and r.relnamespace = 'public'::regnamespace and not r.relispartition
      and r.relname <> 'migrations'
    group by r.relname`;
  expect(rows.map((row) => row.key).sort()).toEqual(inCode.sort());
});
