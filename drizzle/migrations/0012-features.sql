-- Features counted by the piece, and use of other kinds: tokens, bytes, money.
alter table plans add column daily_cost_cents integer check (daily_cost_cents >= 0); -- null: no ceiling
-- A member's own, in the form of plans.features: false, or a limit. It opens nothing the plan lacks.
alter table organization_members add column features jsonb not null default '{}';

-- What plans allow, for whoever reads with plain SQL. A view: plans.features is the truth, written
-- whole with every PUT, and a second copy could only differ from it.
create view plan_features with (security_invoker = true) as
  select p.id as plan, f.key as feature,
    f.value = 'true' or coalesce((f.value ->> 'limit')::bigint > 0, false) as allowed,
    (f.value ->> 'limit')::bigint as piece_limit, -- null: not counted
    f.value ->> 'per' as per -- day, month, or null
  from plans p cross join lateral jsonb_each(p.features) f;

-- Pieces counted so far. Each is counted four times: by organization and by member, per local day and
-- per billing month, whatever the limits are now, so that a plan or a limit that changes in the
-- middle finds what was used before.
create table usage_quotas (
  org text not null references organizations (id),
  user_id text not null default '', -- '': of the whole organization
  feature text not null check (is_id(feature)),
  per text not null check (per in ('day', 'month')),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  used bigint not null default 0 check (used >= 0),
  piece_limit bigint check (piece_limit >= 0), -- that held when it was last counted; null: none
  primary key (org, user_id, feature, per, starts_at),
  check (ends_at > starts_at)
);

-- Who consumed what: by it pieces are given back to the very day and month they were taken from.
create table feature_consumptions (
  org text not null references organizations (id),
  id uuid not null,
  user_id text not null check (is_id(user_id)),
  feature text not null check (is_id(feature)),
  quantity integer not null check (quantity > 0),
  day_starts_at timestamptz not null,
  month_starts_at timestamptz not null,
  would_refuse text check (would_refuse in ('featureNotAllowed', 'limitReached')), -- in shadow mode
  actor text not null,
  key text, -- its Idempotency-Key
  consumed_at timestamptz not null,
  undone_at timestamptz,
  sequence bigint not null generated always as identity,
  primary key (org, id)
);
-- One key counts once at a time, whatever becomes of its row in idempotency_keys.
create unique index feature_consumptions_key on feature_consumptions (org, actor, key)
  where undone_at is null;
create index feature_consumptions_latest on feature_consumptions (org, actor, key, sequence desc)
  where key is not null;

create table usage_events (
  org text not null references organizations (id),
  id text not null check (is_id(id)), -- the caller's own, or made here
  kind text not null check (is_id(kind)),
  user_id text check (is_id(user_id)),
  quantity bigint not null check (quantity >= 0),
  cost_micros bigint not null check (cost_micros >= 0), -- 10,000 a cent: a token costs less than one
  day date not null, -- local day of the organization
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  metadata text, -- flat JSON, encrypted where a key is set
  primary key (org, id)
);
create index usage_events_occurred on usage_events (org, occurred_at desc, id desc);
create index usage_events_day on usage_events (org, day, kind);

-- What a local day has cost: derived from usage_events, counted in the transaction that records them.
create table daily_costs (
  org text not null references organizations (id),
  day date not null,
  cost_micros bigint not null default 0 check (cost_micros >= 0),
  events bigint not null default 0 check (events >= 0),
  primary key (org, day)
);

-- Alerts of the cost ceiling stand beside those of minutes. Theirs are: budget 'cost|ORG|DAY', level 80
-- or 100 percent, version the ceiling in cents, so that a new ceiling is told of anew.
alter table usage_alerts drop constraint usage_alerts_scope_check;
alter table usage_alerts add constraint usage_alerts_scope_check
  check (scope in ('organization', 'member', 'session', 'cost'));

select guard_tenants('usage_quotas');
select guard_tenants('feature_consumptions');
select guard_tenants('usage_events');
select guard_tenants('daily_costs');
