create table plans (
  id text primary key check (is_id(id)),
  name text not null,
  quota_ms bigint check (quota_ms >= 0), -- null: unlimited
  concurrent_sessions integer check (concurrent_sessions >= 0),
  max_session_ms bigint check (max_session_ms > 0),
  sessions_per_day integer check (sessions_per_day >= 0),
  max_file_bytes bigint check (max_file_bytes >= 0),
  at_limit text not null default 'stop' check (at_limit in ('stop', 'overage')),
  overage_cap_ms bigint check (overage_cap_ms >= 0), -- null: no cap
  enforcement text not null default 'enforce' check (enforcement in ('enforce', 'shadow')),
  round_to text not null default 'second' check (round_to in ('second', 'minute')),
  on_meter_failure text not null default 'continue'
    check (on_meter_failure in ('continue', 'terminate')),
  meter_failure_ms bigint not null default 600000 check (meter_failure_ms >= 0),
  save_window_ms integer not null default 10000 check (save_window_ms >= 0),
  thresholds jsonb not null
    default '{"percent": [80, 90, 100], "remainingMinutes": [10, 5, 1]}',
  features jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table organizations (
  id text primary key check (is_id(id)),
  name text not null,
  plan text not null references plans (id),
  time_zone text not null default 'UTC',
  anchor_day smallint not null default 1 check (anchor_day between 1 and 31),
  quota_ms bigint check (quota_ms >= 0), -- its own limit beside the plan's; the lower one counts
  suspended boolean not null default false,
  shard smallint not null generated always as (shard_of(id)) stored,
  limit_version bigint not null default nextval('limit_versions'),
  grant_version bigint not null default nextval('limit_versions'), -- suspension counts as a grant
  -- Extra minutes drawn in all periods, as settled; the sequence rises with every change of it.
  drawn_ms bigint not null default 0 check (drawn_ms >= 0),
  drawn_sequence bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index organizations_plan on organizations (plan);
create index organizations_shard on organizations (shard);

create table organization_members (
  org text not null references organizations (id),
  user_id text not null check (is_id(user_id)),
  name text,
  email text,
  quota_ms bigint check (quota_ms >= 0), -- null: only the organization's limit
  concurrent_sessions integer check (concurrent_sessions >= 0),
  limit_version bigint not null default nextval('limit_versions'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (org, user_id)
);
create index organization_members_user on organization_members (user_id);

create table api_keys (
  id text primary key,
  name text not null,
  key_hash text not null unique check (key_hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the key
  orgs text[], -- null: all organizations
  scopes text[] not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- How the three kinds of limit become one: LimitMode of core/meter/commands.ts, and the quota of a
-- period. Both are asked where a period is made and where limits change.
create function limit_mode(plan plans) returns smallint
  language sql immutable parallel safe
  return case when (plan).enforcement = 'shadow' then 2
              when (plan).at_limit = 'overage' then 1 else 0 end::smallint;

-- The lower of plan's and organization's own, null where neither limits, moved by adjustments.
-- (least and greatest pass over nulls.)
create function limit_quota(plan_ms bigint, own_ms bigint, adjusted_ms bigint) returns bigint
  language sql immutable parallel safe
  return case when least(plan_ms, own_ms) is null then null
              else greatest(0, least(plan_ms, own_ms) + adjusted_ms) end;
