import type postgres from 'postgres';

/** Which columns of a ledger table a service may change; triggers say how. Nothing is deleted. */
const CHANGEABLE: Record<string, readonly string[]> = {
  usage_tracking: [
    'ms',
    'plan_ms',
    'extra_ms',
    'overage_ms',
    'billable_ms',
    'debt_ms',
    'written_at',
  ],
  extra_minutes_usage: ['ms'],
  extra_minutes_purchases: ['used_ms', 'reversed_ms', 'expired_at', 'frozen_at'],
  adjustments: ['applied_at', 'unapplied_ms'],
  usage_alerts: [],
  audit_log: [],
};
/** Ordinary tables: rows come and change. */
const OPEN = [
  'plans',
  'organizations',
  'organization_members',
  'api_keys',
  'billing_periods',
  'sessions',
  'monthly_usage_cache',
  'daily_usage',
  'extra_minutes_packages',
  'shards',
  'meter_clock',
  'recoveries',
] as const;
/** Rows that go when their work is done. */
const PASSING = ['meter_outbox', 'idempotency_keys'] as const;

/**
 * Grants the login role what services need, and takes away whatever else it was given before, also
 * on partitions, which would be a way around the column grants.
 */
export async function grantTo(sql: postgres.Sql, role: string): Promise<void> {
  const [found] = await sql`select rolsuper from pg_roles where rolname = ${role}`;
  const name = `"${role.replaceAll('"', '""')}"`;
  if (found === undefined) await sql.unsafe(`create role ${name} login`);
  const columns = Object.entries(CHANGEABLE).flatMap(([table, names]) =>
    names.length === 0 ? [] : [`grant update (${names.join(', ')}) on ${table} to ${name};`],
  );
  await sql.begin((tx) =>
    tx.unsafe(`
      alter default privileges in schema public revoke all on tables from ${name};
      revoke all on all tables in schema public from ${name};
      grant usage on schema public to ${name};
      grant usage, select on all sequences in schema public to ${name};
      grant execute on all functions in schema public to ${name};
      grant select, insert on ${Object.keys(CHANGEABLE).join(', ')} to ${name};
      ${columns.join('\n')}
      grant select, insert, update on ${OPEN.join(', ')} to ${name};
      grant select, insert, update, delete on ${PASSING.join(', ')} to ${name};
    `),
  );
}
