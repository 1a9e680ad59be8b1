import { createHash } from 'node:crypto';
import postgres from 'postgres';

/** Owns the tables and runs migrations. Not a superuser. */
export const OWNER_ROLE = 'taximeter_owner';
/** What gateways log in as. Owns nothing; the migration grants what it may. */
export const SERVICE_ROLE = 'taximeter';
/** What workers log in as: the only one that settles. */
export const WORKER_ROLE = 'taximeter_worker';
export const DATABASE = 'taximeter';

/** Each role's own password, so that the services can't become the owner. */
export function rolePassword(secret: string, role: string): string {
  return createHash('sha256').update(`${role} ${secret}`).digest('hex');
}

/** The address of `database` on 127.0.0.1:`port` for `role`. */
export function roleUrl(port: number, role: string, password: string, database = DATABASE): string {
  return `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;
}

async function makeRole(sql: postgres.Sql, role: string, rights: string, password: string) {
  const [found] = await sql`select 1 from pg_roles where rolname = ${role}`;
  // Statements of this kind take no parameters, so Postgres itself writes them out.
  const [statement] = await sql<{ text: string }[]>`
    select format('%s role %I login nosuperuser nobypassrls %s password %L',
      ${found ? 'alter' : 'create'}::text, ${role}::text, ${rights}::text, ${password}::text) as text`;
  await sql.unsafe(statement!.text);
}

/** Makes one role that logs in and owns nothing, or gives it this password. */
export async function makeLogin(
  superuserUrl: string,
  role: string,
  password: string,
): Promise<void> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await makeRole(sql, role, 'nocreatedb', password);
  } finally {
    await sql.end();
  }
}

/**
 * Makes the roles and the database when they are not there. May be repeated; the passwords are
 * set anew each time.
 */
export async function prepareRoles(superuserUrl: string, secret: string): Promise<void> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await makeRole(sql, OWNER_ROLE, 'createdb', rolePassword(secret, OWNER_ROLE));
    await makeRole(sql, SERVICE_ROLE, 'nocreatedb', rolePassword(secret, SERVICE_ROLE));
    await makeRole(sql, WORKER_ROLE, 'nocreatedb', rolePassword(secret, WORKER_ROLE));
    await sql.unsafe(`grant pg_signal_backend to ${OWNER_ROLE}`);
    const [found] = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (!found) await sql.unsafe(`create database ${DATABASE} owner ${OWNER_ROLE}`);
  } finally {
    await sql.end();
  }
}
