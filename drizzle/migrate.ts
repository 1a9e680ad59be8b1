import postgres from 'postgres';
import { grantTo } from './grants.ts';
import { type Migration, readMigrations } from './migration-files.ts';

export interface MigrateOptions {
  /** What gateways log in as, and workers too where they have no role of their own. */
  loginRole?: string;
  /**
   * What workers log in as: then gateways are granted less. Roles that are not there are made,
   * without a password.
   */
  workerRole?: string | undefined;
  /** Meter instant from which partitions are made ahead; now, when left out. */
  now?: () => number;
}

/** Any number does, as long as all who migrate agree on it. */
const MIGRATION_LOCK = 7_140_020;
const PARTITIONS_AHEAD_MONTHS = 4;

/** What is not applied yet. @throws when an applied migration has changed, or is not known here */
function pending(all: Migration[], applied: Map<string, string>): Migration[] {
  const known = new Map(all.map((migration) => [migration.name, migration.digest]));
  for (const [name, digest] of applied) {
    if (known.get(name) === digest) continue;
    const what = known.has(name) ? 'has changed since' : 'is not known to this version';
    throw new Error(
      `Migration ${name} was applied to this database and ${what}. ` +
        'Use the version that applied it or a later one; a new step belongs into a new file.',
    );
  }
  return all.filter((migration) => !applied.has(migration.name));
}

async function apply(sql: postgres.Sql, migration: Migration): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(migration.sql);
    await tx`insert into migrations ${tx({ name: migration.name, digest: migration.digest })}`;
  });
}

/**
 * Brings a database to this version, as its owner (`adminUrl`), and grants the login role what
 * services need: never the deletion of an entry, never the change of a split. May be repeated, and
 * by several at once.
 */
export async function migrate(adminUrl: string, options: MigrateOptions = {}): Promise<void> {
  // Policies hold for the owner of the tables too.
  const connection = { TimeZone: 'UTC', 'taximeter.scope': 'installation' };
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {}, connection });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await sql`create table if not exists migrations (
      name text primary key, digest text not null, applied_at timestamptz not null default now())`;
    const rows = await sql<{ name: string; digest: string }[]>`select name, digest from migrations`;
    const applied = new Map(rows.map((row) => [row.name, row.digest]));
    for (const migration of pending(readMigrations(), applied)) await apply(sql, migration);
    const month = new Date((options.now ?? Date.now)()).toISOString();
    await sql`select make_usage_partitions(${month}::timestamptz::date, ${PARTITIONS_AHEAD_MONTHS})`;
    await grantTo(sql, { gateway: options.loginRole ?? 'taximeter', worker: options.workerRole });
  } finally {
    // Ending the connection gives the lock back.
    await sql.end();
  }
}
