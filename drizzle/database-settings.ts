/** What a Postgres and a login must be like, for the ledger to hold what it promises. */
import { requireSafe, type Unsafe } from '../core/runtime/unsafe.ts';
import type { DatabaseConnection } from './client.ts';
import { readMigrations } from './migration-files.ts';

/** The first that takes functions as the migrations write them. */
const MINIMUM_MAJOR = 14;

/** Which process asks: a worker has to be allowed to settle. */
export type Duty = 'gateway' | 'worker';

export interface DatabaseState {
  role: string;
  /** superuser, or exempt from row-level security */
  isAbove: boolean;
  version: string;
  versionNumber: number;
  isStandby: boolean;
  fsync: string;
  fullPageWrites: string;
  synchronousCommit: string;
  /** null: there is no table of them, or it may not be read */
  applied: string[] | null;
  maySettle: boolean;
  /** the workers' own role, to which every tenant's rows are open */
  isUnbound: boolean;
}

/**
 * Refuses a database on which the ledger would not be safe. With `development`, what only makes it
 * forget is accepted, and the sentences are returned to be logged as warnings.
 * @throws Error with what is wrong and the setting that puts it right
 */
export async function checkDatabase(
  connection: DatabaseConnection,
  duty: Duty,
  { development }: { development: boolean },
): Promise<string[]> {
  const known = readMigrations().map(({ name }) => name);
  return requireSafe(judge(await readState(connection), duty, known), development);
}

async function readState({ sql }: DatabaseConnection): Promise<DatabaseState> {
  const [state] = await sql<Omit<DatabaseState, 'applied' | 'maySettle' | 'isUnbound'>[]>`
    select rolname as role, rolsuper or rolbypassrls as "isAbove",
      current_setting('server_version') as version,
      current_setting('server_version_num')::int as "versionNumber",
      pg_is_in_recovery() as "isStandby", current_setting('fsync') as fsync,
      current_setting('full_page_writes') as "fullPageWrites",
      current_setting('synchronous_commit') as "synchronousCommit"
    from pg_roles where rolname = current_user`;
  const [rights] = await sql<{ mayRead: boolean; maySettle: boolean; isUnbound: boolean }[]>`
    select coalesce(has_table_privilege(to_regclass('migrations'), 'select'), false) as "mayRead",
      coalesce(has_table_privilege(to_regclass('usage_tracking'), 'insert'), false) as "maySettle",
      exists (select from pg_policies where policyname = 'worker' and qual = 'true'
        and current_user = any (roles)) as "isUnbound"`;
  const { mayRead, maySettle, isUnbound } = rights!;
  const rows = mayRead ? await sql<{ name: string }[]>`select name from migrations` : null;
  return { ...state!, applied: rows?.map(({ name }) => name) ?? null, maySettle, isUnbound };
}

/** What is wrong with it, worst first; `known`: the migrations of this version. */
export function judge(state: DatabaseState, duty: Duty, known: string[]): Unsafe[] {
  const found: Unsafe[] = [];
  if (state.isAbove) {
    found.push({
      what:
        `DATABASE_URL logs in as "${state.role}", a role that may do anything, so that no ` +
        'constraint on the ledger would hold.',
      fix: 'Use the login role that the migration grants to ("taximeter", workers "taximeter_worker").',
      always: true,
    });
  }
  if (Math.floor(state.versionNumber / 10_000) < MINIMUM_MAJOR) {
    found.push({
      what: `This Postgres is version ${state.version}.`,
      fix: `Use ${MINIMUM_MAJOR} or newer.`,
      always: true,
    });
  }
  if (state.isStandby) {
    found.push({
      what: 'This Postgres is a standby, on which nothing can be written.',
      fix: 'Name its primary in DATABASE_URL.',
      always: true,
    });
  }
  const missing = known.filter((name) => !state.applied?.includes(name));
  if (missing.length > 0) {
    found.push({
      what: `The database is not at this version: ${missing.length} of its steps are missing, from ${missing[0]} on.`,
      fix: 'Run "node dist/local/migrate.js" with DATABASE_ADMIN_URL, the address of its owner.',
      always: true,
    });
  } else if (duty === 'worker' && !state.maySettle) {
    found.push({
      what: `DATABASE_URL logs this worker in as "${state.role}", which may not settle.`,
      fix:
        'Use the role of the workers ("taximeter_worker"), or migrate without ' +
        'DATABASE_WORKER_ROLE, so that gateways and workers share one.',
      always: true,
    });
  }
  if (duty === 'gateway' && state.isUnbound) {
    found.push({
      what: `DATABASE_URL logs this gateway in as "${state.role}", the role of the workers, which sees every tenant.`,
      fix: 'Use the role of the gateways ("taximeter").',
      always: true,
    });
  }
  for (const [setting, value] of [
    ['fsync', state.fsync],
    ['full_page_writes', state.fullPageWrites],
    ['synchronous_commit', state.synchronousCommit],
  ] as const) {
    if (value !== 'off') continue;
    found.push({
      what: `Postgres may lose what it has committed when its machine fails (${setting} is off).`,
      fix: `Set "${setting} = on".`,
      always: false,
    });
  }
  return found;
}
