/**
 * Databases that see some tenants' rows only. Row-level security shows a transaction what it has said
 * it is for, by `set_config(..., true)`, and nothing to one that has not (migration 0008).
 */
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import type { Stoppable } from '../core/runtime/stop.ts';
import { createLines, type Lines } from './lines.ts';

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

export interface TenantsOptions {
  /** for transactions */
  sql: postgres.Sql;
  /** a client with one connection, for statements alone */
  open(): postgres.Sql;
  /** such clients at most */
  lines: number;
}

export function createTenants({ sql, open, lines: most }: TenantsOptions): Tenants & Stoppable {
  const lines = createLines({ open, most, isAnswer });
  const bind = (binding: Binding) => drizzle(boundClient(sql, lines, binding));
  return {
    of: (orgs) => bind({ orgs: typeof orgs === 'string' ? orgs : orgs.join(','), scope: '' }),
    all: bind({ orgs: '', scope: 'installation' }),
    stop: () => lines.stop(),
  };
}

/** The part of a driver's client that drizzle uses. */
function boundClient(
  sql: postgres.Sql,
  lines: Lines,
  binding: Binding,
): ReturnType<typeof postgres> {
  const client = {
    options: sql.options,
    unsafe(text: string, parameters: never[]) {
      let asArrays = false;
      const asked = Promise.resolve().then(() =>
        lines.on((line) => runAlone(line, binding, text, parameters, asArrays)),
      );
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
  line: postgres.Sql,
  binding: Binding,
  text: string,
  parameters: never[],
  asArrays: boolean,
): Promise<unknown> {
  const statement = line.unsafe(text, parameters, { prepare: true });
  const asked: Promise<unknown>[] = [
    line.unsafe('begin'),
    tell(line, binding),
    asArrays ? statement.values() : statement,
    // After a failed statement it rolls back.
    line.unsafe('commit'),
  ];
  const outcomes = await Promise.race([Promise.allSettled(asked), brokenLine(asked)]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return (outcomes[2] as PromiseFulfilledResult<unknown>).value;
}

/**
 * Rejects as soon as the connection is lost: the driver may try what is left on the next one, where it
 * would be bound to nobody, and see nothing.
 */
function brokenLine(asked: readonly Promise<unknown>[]): Promise<never> {
  return new Promise((_, reject) => {
    for (const it of asked) {
      it.catch((error) => {
        if (!isAnswer(error)) reject(error);
      });
    }
  });
}

const isAnswer = (reason: unknown) => reason instanceof postgres.PostgresError;
