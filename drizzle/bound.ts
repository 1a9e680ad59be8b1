/**
 * Databases that see some tenants' rows only. Row-level security shows a transaction what it has said
 * it is for, by `set_config(..., true)`, and nothing to one that has not (migration 0008).
 */
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';

/** What a transaction says of itself before anything else. */
interface Binding {
  /** organizations, with commas between them: no id has one */
  orgs: string;
  scope: '' | 'installation';
}

/** Whose rows a caller may see: every database that comes out of here is bound. */
export interface Tenants {
  /** Each of its statements and transactions sees these organizations' rows and no others. */
  of(orgs: string | readonly string[]): PostgresJsDatabase;
  /** For platform-wide calls: rows of all organizations. */
  readonly all: PostgresJsDatabase;
}

export function createTenants(sql: postgres.Sql, isEnded: () => boolean): Tenants {
  const bind = (binding: Binding) => drizzle(boundClient(sql, binding, isEnded));
  return {
    of: (orgs) => bind({ orgs: typeof orgs === 'string' ? orgs : orgs.join(','), scope: '' }),
    all: bind({ orgs: '', scope: 'installation' }),
  };
}

/** The part of a driver's client that drizzle uses. */
function boundClient(
  sql: postgres.Sql,
  binding: Binding,
  isEnded: () => boolean,
): ReturnType<typeof postgres> {
  const client = {
    options: sql.options,
    unsafe(text: string, parameters: never[]) {
      let asArrays = false;
      const asked = Promise.resolve().then(() => {
        if (isEnded()) throw new Error('The connection to Postgres has been closed.');
        return runAlone(sql, binding, text, parameters, asArrays);
      });
      return Object.assign(asked, {
        values() {
          asArrays = true;
          return asked;
        },
      });
    },
    begin<Result>(work: (tx: postgres.TransactionSql) => Promise<Result>) {
      return sql.begin((tx) => {
        // On its way at once, ahead of the first statement; a failure of it fails the transaction.
        tell(tx, binding).execute();
        return work(tx);
      });
    },
  };
  return client as unknown as ReturnType<typeof postgres>;
}

function tell(sql: postgres.ISql, { orgs, scope }: Binding) {
  return sql`select set_config('taximeter.org', ${orgs}, true),
    set_config('taximeter.scope', ${scope}, true)`;
}

/**
 * One statement in a transaction of its own, all sent at once: it takes one round trip, as an unbound
 * one does. (Prepared, since the driver would ask for its types and wait otherwise.)
 */
async function runAlone(
  sql: postgres.Sql,
  binding: Binding,
  text: string,
  parameters: never[],
  asArrays: boolean,
): Promise<unknown> {
  const line = await sql.reserve();
  const statement = line.unsafe(text, parameters, { prepare: true });
  const outcomes = await Promise.allSettled([
    line.unsafe('begin'),
    tell(line, binding),
    asArrays ? statement.values() : statement,
    // After a failed statement it rolls back.
    line.unsafe('commit'),
  ]);
  // The driver has taken a broken connection back already: given back twice it would be used again.
  const last = outcomes[3]!;
  if (last.status === 'fulfilled' || isAnswer(last.reason)) line.release();
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return (outcomes[2] as PromiseFulfilledResult<unknown>).value;
}

const isAnswer = (reason: unknown) => reason instanceof postgres.PostgresError;
