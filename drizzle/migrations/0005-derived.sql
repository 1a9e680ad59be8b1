-- Sums for reports, and of members' budgets. Derived from usage_tracking, rebuilt from it.
create table monthly_usage_cache (
  org text not null,
  user_id text not null,
  period timestamptz not null,
  used_ms bigint not null default 0,
  plan_ms bigint not null default 0,
  extra_ms bigint not null default 0,
  overage_ms bigint not null default 0,
  minutes integer not null default 0, -- minute records that began in this period
  seconds bigint not null generated always as (used_ms / 1000) stored,
  sequence bigint not null default 0,
  primary key (org, user_id, period),
  foreign key (org, period) references billing_periods (org, starts_at),
  check (used_ms = plan_ms + extra_ms + overage_ms)
);

create table daily_usage (
  org text not null references organizations (id),
  user_id text not null,
  day date not null, -- local day of the organization
  used_ms bigint not null default 0,
  plan_ms bigint not null default 0,
  extra_ms bigint not null default 0,
  overage_ms bigint not null default 0,
  minutes integer not null default 0,
  primary key (org, user_id, day),
  check (used_ms = plan_ms + extra_ms + overage_ms)
);

-- Crossings. (budget, level, version) names one for good: e-mails and webhooks are sent once by it,
-- and a meter that lost everything learns from here what was crossed.
create table usage_alerts (
  org text not null references organizations (id),
  budget text not null,
  level bigint not null, -- > 0: percent of the plan quota; < 0: ms left
  version bigint not null,
  scope text not null check (scope in ('organization', 'member', 'session')),
  user_id text,
  session text,
  period timestamptz,
  crossed_at timestamptz not null,
  written_at timestamptz not null default now(),
  primary key (org, budget, level, version)
);
create index usage_alerts_crossed on usage_alerts (org, crossed_at desc);
