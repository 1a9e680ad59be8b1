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
  extra_minutes_purchases: [
    'used_ms',
    'reversed_ms',
    'taken_ms',
    'held_at',
    'purchased_at',
    'expires_at',
    'expired_at',
    'frozen_at',
  ],
  payment_refunds: ['cents', 'status'],
  payment_disputes: ['cents', 'status', 'reason'],
  stripe_events: ['org', 'payment', 'effect', 'detail', 'asked_at'],
  payments: [
    'payment_intent',
    'checkout_session',
    'status',
    'status_at',
    'failure_code',
    'failure_message',
    'paid_at',
    'charge_refunded_cents',
    'hold_ms',
    'hold_until',
    'hold_ended_at',
  ],
  adjustments: ['applied_at', 'unapplied_ms'],
  usage_alerts: [],
  feature_consumptions: ['undone_at'],
  usage_events: ['metadata'],
  audit_log: [],
  outages: [],
  shadow_decisions: [],
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
  'usage_quotas',
  'daily_costs',
  'extra_minutes_packages',
  'stripe_customers',
  'payment_checks',
  'stripe_invoices',
  'top_ups',
  'overage_reports',
  'session_lengths',
  'session_leases',
  'shards',
  'meter_clock',
  'recoveries',
  'period_resets',
  'reconciles',
  'import_lots',
] as const;
/** Views: they show what is in tables, to whoever may read these. */
const SHOWN = ['plan_features'] as const;
/** Rows that go when their work is done, or when somebody is to be forgotten. */
const PASSING = [
  ...['meter_outbox', 'idempotency_keys', 'session_metadata', 'import_rows'],
  'extra_minutes_prices',
] as const;

/**
 * What a gateway's own login may do beside reading: take in accounts and limits, write down what was
 * asked for, count what is counted here: pieces and costs. It settles nothing and burns no lot. Keys it
 * changes only by the functions of migration 0015, which ask for a key that may.
 */
const ASKED_FOR: Record<string, readonly string[]> = {
  insert: [
    'plans',
    'organizations',
    'organization_members',
    'billing_periods',
    'adjustments',
    'extra_minutes_purchases',
    'meter_outbox',
    'recoveries',
    'idempotency_keys',
    'audit_log',
    'session_metadata',
    'session_lengths',
    'session_leases',
    'outages',
    'shadow_decisions',
    'period_resets',
    'reconciles',
    'usage_alerts',
    'usage_quotas',
    'feature_consumptions',
    'usage_events',
    'daily_costs',
    'extra_minutes_packages',
    'extra_minutes_prices',
    'stripe_customers',
    'stripe_invoices',
    'top_ups',
    'payments',
    'payment_refunds',
    'payment_disputes',
    'stripe_events',
    'payment_checks',
  ],
  update: [
    'extra_minutes_packages',
    'extra_minutes_prices',
    'stripe_customers',
    'stripe_invoices',
    'top_ups',
    'plans',
    'organizations',
    'organization_members',
    'billing_periods',
    'period_resets',
    'idempotency_keys',
    'usage_quotas',
    'daily_costs',
    'session_lengths',
    'session_leases',
  ],
  // The price in a currency in which a package is not sold any more.
  delete: ['extra_minutes_prices'],
  'update (undone_at)': ['feature_consumptions'],
  // Facts that Stripe tells; what they leave of a lot is the worker's to carry out.
  [`update (${CHANGEABLE.payments!.join(', ')})`]: ['payments'],
  'update (cents, status)': ['payment_refunds', 'payment_disputes'],
  'update (org, payment, effect, detail)': ['stripe_events'],
};

/** What a gateway reads of a key: all but what it is known by. */
const KEY_SHOWN = [
  'id',
  'name',
  'orgs',
  'scopes',
  'created_at',
  'expires_at',
  'revoked_at',
  'previous_until',
  'last_used_at',
] as const;

const INSUFFICIENT_PRIVILEGE = '42501';

export interface Logins {
  /** what gateways log in as */
  gateway: string;
  /** what workers log in as, if it is another role: then gateways may do less */
  worker?: string | undefined;
}

/**
 * Grants the login roles what services need, and takes away whatever else they were given before,
 * also on partitions, which would be a way around the column grants and the policies.
 */
export async function grantTo(sql: postgres.Sql, logins: Logins): Promise<void> {
  const { gateway, worker = gateway } = logins;
  for (const role of new Set([gateway, worker])) {
    const [found] = await sql`select from pg_roles where rolname = ${role}`;
    if (found === undefined) await makeRole(sql, role);
  }
  await sql.begin(async (tx) => {
    if (worker !== gateway) await tx.unsafe(`${afresh(gateway)} ${gatewayGrants(gateway)}`);
    await tx.unsafe(`${afresh(worker)} ${workerGrants(worker)}`);
    await writeWorkerPolicies(tx, worker, worker !== gateway);
  });
}

/** Not every owner of tables may make roles. */
async function makeRole(sql: postgres.Sql, role: string): Promise<void> {
  const statement = `create role ${quoted(role)} login`;
  try {
    await sql.unsafe(statement);
  } catch (error) {
    if ((error as { code?: string }).code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new Error(
      `There is no role "${role}", and the owner of the tables may not make it. ` +
        `As a superuser: ${statement} password '...';`,
    );
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

function afresh(role: string): string {
  const name = quoted(role);
  return `
    alter default privileges in schema public revoke all on tables from ${name};
    revoke all on all tables in schema public from ${name};
    grant usage on schema public to ${name};
    grant usage, select on all sequences in schema public to ${name};
    grant execute on all functions in schema public to ${name};
    grant select on migrations to ${name};
    revoke execute on function guard_tenants(regclass, name),
      api_key_asking(text, timestamptz) from ${name};`;
}

function gatewayGrants(role: string): string {
  const name = quoted(role);
  const tables = [...Object.keys(CHANGEABLE), ...OPEN, ...PASSING, ...SHOWN].filter(
    (table) => table !== 'api_keys',
  );
  const writes = Object.entries(ASKED_FOR).map(
    ([right, on]) => `grant ${right} on ${on.join(', ')} to ${name};`,
  );
  return `grant select on ${tables.join(', ')} to ${name}; ${writes.join('\n')}
    grant select (${KEY_SHOWN.join(', ')}) on api_keys to ${name};`;
}

function workerGrants(role: string): string {
  const name = quoted(role);
  const columns = Object.entries(CHANGEABLE).flatMap(([table, names]) =>
    names.length === 0 ? [] : [`grant update (${names.join(', ')}) on ${table} to ${name};`],
  );
  return `
    grant select, insert on ${Object.keys(CHANGEABLE).join(', ')} to ${name};
    ${columns.join('\n')}
    grant select, insert, update on ${OPEN.join(', ')} to ${name};
    grant select, insert, update, delete on ${PASSING.join(', ')} to ${name};
    grant select on ${SHOWN.join(', ')} to ${name};`;
}

/**
 * The worker's own policy: it settles many organizations in one statement. Where it shares its login
 * with the gateways, it has to say that it is the worker, lest a gateway's unbound statement sees
 * everything. Only what differs is written, since it locks the table.
 */
async function writeWorkerPolicies(
  tx: postgres.TransactionSql,
  role: string,
  isItsOwn: boolean,
): Promise<void> {
  const allows = isItsOwn ? 'true' : "(select current_setting('taximeter.scope', true)) = 'worker'";
  const digest = `worker policy of ${role}: ${allows}`;
  const tables = await tx<{ name: string; said: string | null }[]>`
    select c.relname as name, obj_description(p.oid, 'pg_policy') as said
    from pg_class c left join pg_policy p on p.polrelid = c.oid and p.polname = 'worker'
    where c.relnamespace = 'public'::regnamespace and c.relrowsecurity`;
  for (const { name, said } of tables) {
    if (said === digest) continue;
    await tx.unsafe(`
      drop policy if exists worker on ${quoted(name)};
      create policy worker on ${quoted(name)} to ${quoted(role)} using (${allows});
      comment on policy worker on ${quoted(name)} is '${digest.replaceAll("'", "''")}';`);
  }
}
