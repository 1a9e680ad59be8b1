import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { createTenants, type Tenants } from './bound.ts';

export interface ConnectOptions {
  /** Connections at most, and as many again for single statements of tenants. All are made lazily. */
  connections?: number;
  /** Shown in pg_stat_activity. */
  name?: string;
  /**
   * What all of its statements are for, where it is not one tenant: the worker's work, which a
   * policy allows to the worker's role only, or the whole installation's, as of whoever owns the
   * tables. Left out, rows of tenants are seen through `tenants` alone.
   */
  scope?: 'worker' | 'installation';
}

/** Runs statements; a transaction is one too. */
export type Database = PostgresJsDatabase;
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];
export type Queryable = Database | Transaction;

export interface DatabaseConnection {
  /** Not bound to a tenant: without a `scope` it sees what belongs to none. */
  db: Database;
  tenants: Tenants;
  /** The driver below, for LISTEN and for connections of one's own. */
  sql: postgres.Sql;
  stop(): Promise<void>;
}

const CONNECTIONS = 10;
const CONNECT_TIMEOUT_S = 5;
/**
 * Before a lost connection is made again. The driver's own pauses grow to 20 s, by losses of the whole
 * pool together: one restart of Postgres would be felt for that long.
 */
const RECONNECT_STEP_S = 0.05;
const LONGEST_RECONNECT_S = 0.5;
/** A statement that waits this long for a lock is better repeated. */
const LOCK_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_S = 5;

/** A bigint that would lose its last digits is an error, never a slightly different sum. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`${text} from the database is too large to be counted with exactly.`);
}

/**
 * Connects lazily. Times travel as text in UTC. What was in flight when a connection drops is
 * rejected: repeat whole transactions.
 */
export function connect(url: string, options: ConnectOptions = {}): DatabaseConnection {
  const connections = options.connections ?? CONNECTIONS;
  const open = (max: number) =>
    postgres(url, {
      max,
      connect_timeout: CONNECT_TIMEOUT_S,
      backoff: (losses) => Math.min(LONGEST_RECONNECT_S, losses * RECONNECT_STEP_S),
      onnotice: () => {},
      types: {
        bigint: { to: 20, from: [20], parse: parseBigint, serialize: String },
      },
      connection: {
        TimeZone: 'UTC',
        application_name: options.name ?? 'taximeter',
        lock_timeout: LOCK_TIMEOUT_MS,
        statement_timeout: STATEMENT_TIMEOUT_MS,
        ...(options.scope === undefined ? {} : { 'taximeter.scope': options.scope }),
      },
    });
  const sql = open(connections);
  const openLine = () => {
    const line = open(1);
    // It makes a client leave instants as they are: they lose their milliseconds otherwise.
    drizzle(line);
    return line;
  };
  const tenants = createTenants({ sql, open: openLine, lines: connections });
  return {
    db: drizzle(sql),
    tenants,
    sql,
    async stop() {
      await Promise.all([tenants.stop(), sql.end({ timeout: STOP_TIMEOUT_S })]);
    },
  };
}
