import { createHash, randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import postgres from 'postgres';
import { inject } from 'vitest';
import { migrate } from '../drizzle/migrate.ts';
import { readMigrations } from '../drizzle/migration-files.ts';
import { startPostgres } from './postgres.ts';
import { WORKER_ROLE } from './postgres-roles.ts';

export interface TestDatabase {
  /** The owner's address: may alter tables. */
  adminUrl: string;
  /** The address a worker would use: it sees everything. */
  url: string;
  /** The address a gateway would use. */
  gatewayUrl: string;
  drop(): Promise<void>;
}

/** Any number does, as long as all test files agree on it. */
const TEMPLATE_LOCK = 7_140_021;

function withDatabase(url: string, database: string): string {
  const address = new URL(url);
  address.pathname = `/${database}`;
  return address.href;
}

/** Copies of the project in one run, of which one has another migration, must not share a template. */
function migrationsMark(): string {
  const hash = createHash('sha256');
  for (const { name, digest } of readMigrations()) hash.update(`${name} ${digest}\n`);
  return hash.digest('hex').slice(0, 12);
}

async function makeTemplate(sql: postgres.Sql, adminUrl: string, template: string): Promise<void> {
  const [found] = await sql`select datistemplate from pg_database where datname = ${template}`;
  if (found?.datistemplate) return;
  // Without the mark it is what a failed migration left.
  await sql.unsafe(`drop database if exists ${template}`);
  await sql.unsafe(`create database ${template}`);
  await migrate(withDatabase(adminUrl, template), { workerRole: WORKER_ROLE });
  await sql.unsafe(`alter database ${template} is_template true`);
}

/**
 * A migrated, empty database for one test file: the first caller of the run migrates a template,
 * everybody gets a copy of it. Call `drop` when the connections to it are closed.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = inject('postgresAdminUrl');
  const run = basename(inject('runFolder')).replace('-', '_');
  const template = `taximeter_${run}_${migrationsMark()}_template`;
  const name = `taximeter_${run}_${randomBytes(6).toString('hex')}`;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`select pg_advisory_lock(${TEMPLATE_LOCK})`;
    await makeTemplate(sql, adminUrl, template);
    await sql.unsafe(`create database ${name} template ${template}`);
  } finally {
    // Ending the connection gives the lock back.
    await sql.end();
  }
  return {
    adminUrl: withDatabase(adminUrl, name),
    url: withDatabase(inject('postgresUrl'), name),
    gatewayUrl: withDatabase(inject('postgresGatewayUrl'), name),
    async drop() {
      const ending = postgres(adminUrl, { max: 1, onnotice: () => {} });
      try {
        await ending.unsafe(`drop database if exists ${name} with (force)`);
      } finally {
        await ending.end();
      }
    },
  };
}

/** In a Postgres of its own that keeps what it commits, as a production start demands; takes seconds. */
export async function createDurableDatabase(): Promise<TestDatabase> {
  const dataDir = join(inject('runFolder'), `durable-${randomBytes(4).toString('hex')}`);
  const server = await startPostgres({ dataDir });
  await migrate(server.adminUrl, { workerRole: WORKER_ROLE });
  return {
    adminUrl: server.adminUrl,
    url: server.workerUrl,
    gatewayUrl: server.url,
    drop: () => server.stop(),
  };
}
