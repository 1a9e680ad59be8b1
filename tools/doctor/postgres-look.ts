import { readdirSync } from 'node:fs';
import { type Finding, finding } from '../../worker/ledger/check/finding.ts';
import { inSnapshot, type Reading } from '../../worker/ledger/check/snapshot.ts';
import type { Seen } from './examination.ts';
import type { Stores } from './stores.ts';

const MOST_CONNECTIONS = 0.8;
const MOST_TRANSACTION_S = 60;
const MOST_LAG_S = 10;
/** The worker makes four; with fewer than this a stopped worker would be noticed too late. */
export const PARTITIONS_AHEAD_MONTHS = 2;
const MIGRATIONS = new URL('../../drizzle/migrations/', import.meta.url);

export interface PostgresState {
  version: string;
  role: string;
  isAbove: boolean;
  settings: Record<string, string>;
  connections: number;
  maxConnections: number;
  oldestTransactionS: number;
  /** of each standby */
  lagS: number[];
  /** triggers of the ledger that are on, as table.trigger */
  guards: string[];
  /** ledger tables this role may delete from */
  deletable: string[];
}

/** What must stand between a mistake and the ledger (worker/ledger/README.md). */
const GUARDS = [
  'extra_minutes_purchases.only_burn',
  'extra_minutes_usage.only_raise',
  'usage_tracking.only_raise',
];
const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'];

async function readState(tx: Reading): Promise<PostgresState> {
  const [row] = await tx<PostgresState[]>`
    select current_setting('server_version') as version, current_user as role,
      (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as "isAbove",
      (select json_object_agg(name, setting) from pg_settings
       where name in ('fsync', 'full_page_writes', 'synchronous_commit')) as settings,
      (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
      current_setting('max_connections')::integer as "maxConnections",
      (select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8
       from pg_stat_activity where state like 'idle in transaction%') as "oldestTransactionS",
      (select coalesce(json_agg(coalesce(extract(epoch from replay_lag), 0)), '[]')
       from pg_stat_replication) as "lagS",
      (select coalesce(json_agg(c.relname || '.' || t.tgname order by 1), '[]')
       from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where not t.tgisinternal and t.tgenabled in ('O', 'A')
         and c.oid in ('usage_tracking'::regclass, 'extra_minutes_usage'::regclass,
           'extra_minutes_purchases'::regclass)) as guards,
      (select coalesce(json_agg(c.relname || ' by ' || a.grantee::regrole order by 1), '[]')
       from pg_class c, aclexplode(c.relacl) a
       where c.oid in ('usage_tracking'::regclass, 'extra_minutes_usage'::regclass,
           'extra_minutes_purchases'::regclass, 'adjustments'::regclass, 'audit_log'::regclass)
         and a.privilege_type = 'DELETE' and a.grantee <> c.relowner) as deletable`;
  return row!;
}

export function judgePostgres(state: PostgresState): Finding[] {
  const found: Finding[] = [];
  const add = (code: Parameters<typeof finding>[0], subject: string, says: string) =>
    found.push(finding(code, { subject, says }));
  if (state.isAbove) add('postgresRole', state.role, `DATABASE_URL logs in as "${state.role}".`);
  for (const guard of GUARDS.filter((it) => !state.guards.includes(it))) {
    add('postgresGuards', guard, `The trigger ${guard} is missing or switched off.`);
  }
  if (!state.isAbove && state.deletable.length > 0) {
    const which = state.deletable.join(', ');
    add('postgresGuards', state.role, `What the ledger keeps may be deleted: ${which}.`);
  }
  const weak = DURABLE.filter((name) => state.settings[name] === 'off');
  if (weak.length > 0)
    add('postgresDurability', weak.join(), `Postgres has ${weak.join(', ')} off.`);
  const { connections, maxConnections } = state;
  if (connections > maxConnections * MOST_CONNECTIONS) {
    const says = `${connections} of ${maxConnections} connections are used.`;
    add('postgresConnections', 'connections', says);
  }
  if (state.oldestTransactionS > MOST_TRANSACTION_S) {
    const says = `A transaction has been idle and open for ${Math.round(state.oldestTransactionS)} s.`;
    add('postgresWaiting', 'transactions', says);
  }
  for (const lagS of state.lagS.filter((it) => it > MOST_LAG_S)) {
    add('postgresReplication', 'standby', `A standby is ${lagS.toFixed(1)} s behind.`);
  }
  return found;
}

export async function lookAtPostgres({ database }: Stores): Promise<Seen> {
  const state = await inSnapshot(database.sql, readState);
  const looked = `version ${state.version}, role ${state.role}, ${state.connections} of ${state.maxConnections} connections, ${GUARDS.length} guards of the ledger`;
  return { looked, findings: judgePostgres(state) };
}

export interface PartitionState {
  /** first days of the months that have one, `YYYY-MM-DD` */
  months: string[];
  /** the months that need one */
  wanted: string[];
  inDefault: number;
}

export function readPartitions(tx: Reading, now: number): Promise<PartitionState> {
  return tx<PartitionState[]>`
    select (select coalesce(json_agg(substring(c.relname from '\\d{4}_\\d{2}$')), '[]')
       from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'usage_tracking'::regclass and c.relname ~ '\\d{4}_\\d{2}$') as months,
      (select json_agg(to_char((from_epoch_ms(${now}) at time zone 'UTC')
         + make_interval(months => n), 'YYYY_MM'))
       from generate_series(0, ${PARTITIONS_AHEAD_MONTHS}::integer) n) as wanted,
      case when pg_relation_size('usage_tracking_default') = 0 then 0::bigint
        else (select count(*) from usage_tracking
          where tableoid = 'usage_tracking_default'::regclass) end as "inDefault"`.then(
    (rows) => rows[0]!,
  );
}

export function judgePartitions({ months, wanted, inDefault }: PartitionState): Finding[] {
  const found = wanted
    .filter((month) => !months.includes(month))
    .map((month) => {
      const says = `usage_tracking has no partition for ${month.replace('_', '-')}.`;
      return finding('partitionMissing', { subject: month, says });
    });
  if (inDefault === 0) return found;
  const says = `${inDefault} minutes lie in the default partition.`;
  return [
    ...found,
    finding('partitionDefault', { subject: 'default', says, figures: { inDefault } }),
  ];
}

export async function lookAtPartitions({ database }: Stores, now: number): Promise<Seen> {
  const state = await inSnapshot(database.sql, (tx) => readPartitions(tx, now));
  const looked = `${state.months.length} months, ${PARTITIONS_AHEAD_MONTHS} ahead needed, ${state.inDefault} minutes in the default one`;
  return { looked, findings: judgePartitions(state) };
}

export function judgeMigrations(applied: readonly string[], known: readonly string[]): Finding[] {
  const missing = known.filter((name) => !applied.includes(name));
  const unknown = applied.filter((name) => !known.includes(name));
  return [
    ...missing.map((subject) => {
      const says = `The migration ${subject} was not applied to this database.`;
      return finding('migrationVersion', { subject, says });
    }),
    ...unknown.map((subject) => {
      const says = `The database has the migration ${subject}, which this version does not know.`;
      return finding('migrationVersion', { subject, says });
    }),
  ];
}

export async function lookAtMigrations({ database }: Stores): Promise<Seen> {
  const known = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'));
  const rows = await inSnapshot(
    database.sql,
    (tx) => tx<{ name: string }[]>`select name from migrations order by name`,
  );
  const applied = rows.map((row) => row.name);
  return {
    looked: `${applied.length} applied, the last is ${applied.at(-1) ?? 'none'}`,
    findings: judgeMigrations(applied, known),
  };
}
