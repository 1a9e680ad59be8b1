/** What a system built by hand calls its tables and columns, and how a map names others. */

export const KINDS = ['organizations', 'members', 'lots', 'sessions', 'usage', 'cache'] as const;
export type Kind = (typeof KINDS)[number];

/** A field and the names it goes by, the likeliest first. */
type Fields = Readonly<Record<string, readonly string[]>>;

const ORG = [
  ...['organization_id', 'org_id', 'organization', 'org', 'team_id', 'account_id', 'company_id'],
  ...['tenant_id', 'workspace_id', 'customer_id'],
];
const USER = ['user_id', 'user', 'member_id', 'member', 'profile_id', 'uid', 'created_by'];
const SESSION = [
  ...['session_id', 'session', 'recording_id', 'interview_id', 'call_id', 'meeting_id', 'room_id'],
];
const SECONDS = [
  ...['seconds', 'seconds_used', 'seconds_recorded', 'actual_seconds', 'duration_seconds'],
  ...['total_seconds', 'duration_sec', 'secs'],
];
const MINUTES = ['minutes', 'minutes_used', 'total_minutes', 'used_minutes', 'duration_minutes'];
const MS = ['ms', 'milliseconds', 'duration_ms', 'used_ms'];
const ZONE = ['time_zone', 'timezone', 'tz'];

export const TABLES: Readonly<Record<Kind, readonly string[]>> = {
  organizations: [
    ...['organizations', 'organisations', 'orgs', 'teams', 'accounts', 'companies', 'tenants'],
    'workspaces',
  ],
  members: ['organization_members', 'org_members', 'members', 'memberships', 'team_members'],
  lots: [
    ...['extra_minutes_purchases', 'extra_minute_purchases', 'minute_purchases', 'extra_minutes'],
    ...['purchased_minutes', 'minute_packs'],
  ],
  sessions: [
    ...['sessions', 'recording_sessions', 'interview_sessions', 'recordings', 'interviews'],
  ],
  usage: [
    ...['usage_tracking', 'minute_tracking', 'usage_minutes', 'session_minutes'],
    ...['recording_minutes', 'usage_records'],
  ],
  cache: ['monthly_usage_cache', 'monthly_usage', 'usage_monthly', 'usage_cache'],
};

export const FIELDS = {
  organizations: {
    id: ['id', ...ORG],
    name: ['name', 'organization_name', 'title', 'display_name'],
    plan: ['plan', 'plan_id', 'plan_name', 'subscription_plan', 'tier'],
    zone: ZONE,
    anchor: ['anchor_day', 'billing_day', 'billing_anchor', 'reset_day'],
    minutes: ['minutes_limit', 'monthly_minutes_limit', 'minute_limit', 'monthly_limit_minutes'],
  },
  members: {
    org: ORG,
    user: USER,
    name: ['name', 'full_name', 'display_name'],
    email: ['email', 'email_address'],
    minutes: ['minutes_limit', 'monthly_minutes_limit', 'minute_limit', 'monthly_limit_minutes'],
  },
  lots: {
    id: ['id', 'purchase_id', 'lot_id'],
    org: ORG,
    user: USER,
    minutes: [
      ...['minutes_purchased', 'purchased_minutes', 'minutes', 'total_minutes', 'quantity'],
      'minutes_added',
    ],
    remaining: ['minutes_remaining', 'remaining_minutes', 'remaining', 'balance', 'minutes_left'],
    used: ['minutes_used', 'used_minutes', 'used', 'consumed_minutes'],
    at: ['purchased_at', 'purchase_date', 'paid_at', 'created_at', 'date'],
    expires: ['expires_at', 'expiry', 'expiration_date', 'valid_until'],
    status: ['status', 'payment_status', 'state'],
    cents: ['amount_cents', 'price_cents'],
    amount: ['amount', 'amount_paid', 'price', 'price_paid', 'cost'],
    currency: ['currency'],
  },
  sessions: {
    id: ['id', ...SESSION],
    org: ORG,
    user: USER,
    at: ['started_at', 'start_time', 'start', 'created_at'],
    end: ['ended_at', 'end_time', 'end', 'finished_at', 'completed_at'],
    seconds: SECONDS,
    minutes: MINUTES,
    ms: MS,
  },
  usage: {
    org: ORG,
    user: USER,
    session: SESSION,
    at: [
      ...['minute_timestamp', 'minute_start', 'minute_at', 'minute', 'timestamp', 'recorded_at'],
      ...['tracked_at', 'started_at', 'at', 'time', 'created_at'],
    ],
    seconds: SECONDS,
    minutes: MINUTES,
    ms: MS,
    lot: ['purchase_id', 'extra_minutes_purchase_id', 'lot_id', 'pack_id'],
  },
  cache: {
    org: ORG,
    user: USER,
    month: ['month', 'year_month', 'usage_month', 'month_start', 'period_start', 'period'],
    year: ['year', 'usage_year'],
    minutes: MINUTES,
    seconds: SECONDS,
    ms: MS,
  },
} as const satisfies Record<Kind, Fields>;

export type Field<K extends Kind> = keyof (typeof FIELDS)[K] & string;

/** Without these a table says nothing. */
const REQUIRED: Readonly<Record<Kind, readonly string[]>> = {
  organizations: ['id'],
  members: ['org', 'user'],
  lots: ['minutes', 'at'],
  sessions: ['id', 'at'],
  usage: ['at'],
  cache: ['month'],
};

/** The message is for a person, and shows the columns that were found. */
export class ColumnError extends Error {
  override name = 'ColumnError';
}

/** camelCase and Title Case become snake_case. */
const plain = (name: string) =>
  name
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase();

/** Field to column, as a `--map` file says it for one kind. */
export type ColumnMap = Readonly<Record<string, string>>;

/**
 * Which column each field is in; a field that no column has is left out.
 * @throws ColumnError where the map names what is not there, or a needed field is missing
 */
export function resolveColumns<K extends Kind>(
  kind: K,
  table: string,
  columns: readonly string[],
  map: ColumnMap = {},
): Partial<Record<Field<K>, number>> {
  const found = `The columns of ${table} are: ${columns.join(', ')}.`;
  const fields: Fields = FIELDS[kind];
  const plains = columns.map(plain);
  const resolved: Record<string, number> = {};
  for (const [field, column] of Object.entries(map)) {
    if (!(field in fields)) {
      const known = Object.keys(fields).join(', ');
      throw new ColumnError(`--map: ${kind} has no field "${field}"; its fields are: ${known}.`);
    }
    const index = columns.indexOf(column);
    if (index === -1) throw new ColumnError(`--map: no column "${column}" for ${field}. ${found}`);
    resolved[field] = index;
  }
  const taken = new Set(Object.values(resolved));
  for (const [field, names] of Object.entries(fields)) {
    if (field in resolved) continue;
    const name = names.find((it) => plains.includes(it) && !taken.has(plains.indexOf(it)));
    if (name === undefined) continue;
    resolved[field] = plains.indexOf(name);
    taken.add(resolved[field]!);
  }
  const missing = REQUIRED[kind].filter((field) => resolved[field] === undefined);
  if (missing.length > 0) {
    const names = missing.map((field) => `"${field}" (${fields[field]!.join(', ')})`).join('; ');
    throw new ColumnError(
      `${table} has no column for ${names}. ${found} ` +
        `Name it in a --map file: {"${kind}": {"${missing[0]}": "its column"}}.`,
    );
  }
  return resolved as Partial<Record<Field<K>, number>>;
}

/** The kind of a table by its name, if it is a usual one. */
export const kindOf = (table: string): Kind | undefined =>
  KINDS.find((kind) => TABLES[kind].includes(plain(table)));
