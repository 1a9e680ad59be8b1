-- A billing month of an organization: the limits by which its minutes are split, and what is
-- settled of it. Limits change together with organizations and plans (applyLimits); the sums are
-- derived from usage_tracking and can be rebuilt.
create table billing_periods (
  org text not null references organizations (id),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  quota_ms bigint check (quota_ms >= 0), -- null: unlimited
  adjusted_ms bigint not null default 0, -- adjustments of kind plan, already in quota_ms
  mode smallint not null check (mode in (0, 1, 2)), -- LimitMode in core/meter/commands.ts
  overage_cap_ms bigint check (overage_cap_ms >= 0),
  version bigint not null,
  -- A lower limit waits here until what is open has been settled by the old figures.
  decrease_pending boolean not null default false,
  used_ms bigint not null default 0,
  plan_ms bigint not null default 0 check (plan_ms >= 0),
  extra_ms bigint not null default 0 check (extra_ms >= 0),
  overage_ms bigint not null default 0 check (overage_ms >= 0),
  billable_ms bigint not null default 0 check (billable_ms >= 0),
  debt_ms bigint not null default 0 check (debt_ms >= 0),
  sequence bigint not null default 0,
  primary key (org, starts_at),
  unique (org, ends_at),
  check (ends_at > starts_at),
  check (used_ms = plan_ms + extra_ms + overage_ms),
  check (billable_ms + debt_ms <= overage_ms)
);
create index billing_periods_ends on billing_periods (ends_at);

-- `closed`: the ledger has every millisecond of an ended session.
create table sessions (
  org text not null references organizations (id),
  id text not null check (is_id(id)),
  user_id text not null,
  shard smallint not null generated always as (shard_of(org)) stored,
  started_at timestamptz not null,
  start_month date not null,
  first_period timestamptz not null,
  last_period timestamptz not null,
  state text not null default 'live' check (state in ('live', 'ended', 'closed')),
  ended_at timestamptz,
  reason text,
  stopped_by text,
  recorded_ms bigint not null default 0 check (recorded_ms >= 0), -- charged + overshoot
  overshoot_ms bigint not null default 0 check (overshoot_ms >= 0),
  settled_ms bigint not null default 0 check (settled_ms >= 0), -- sum of its minutes
  generation bigint not null,
  primary key (org, id),
  check (settled_ms + overshoot_ms <= recorded_ms),
  check (last_period >= first_period),
  check ((state = 'live') = (ended_at is null)),
  check (state <> 'closed' or settled_ms + overshoot_ms = recorded_ms)
);
create index sessions_id on sessions (id);
create index sessions_started on sessions (org, started_at desc);
create index sessions_user on sessions (org, user_id, started_at desc);
create index sessions_live on sessions (shard) where state = 'live';

-- Minute records: the ledger. overage_ms is all that neither plan nor lots covered; billable_ms of
-- it the plan bills, debt_ms was used although nothing was left, the rest was used in shadow mode.
create table usage_tracking (
  session_month date not null,
  org text not null,
  session text not null,
  minute integer not null check (minute >= 0),
  period timestamptz not null,
  user_id text not null,
  day date not null, -- local day on which it was first written
  ms integer not null check (ms between 0 and 60000),
  plan_ms integer not null check (plan_ms >= 0),
  extra_ms integer not null check (extra_ms >= 0),
  overage_ms integer not null check (overage_ms >= 0),
  billable_ms integer not null check (billable_ms >= 0),
  debt_ms integer not null check (debt_ms >= 0),
  written_at timestamptz not null default now(),
  primary key (session_month, org, session, minute, period),
  foreign key (org, session) references sessions (org, id),
  foreign key (org, period) references billing_periods (org, starts_at),
  check (ms = plan_ms + extra_ms + overage_ms),
  check (billable_ms + debt_ms <= overage_ms)
) partition by range (session_month);
create index usage_tracking_period on usage_tracking (org, period);

create table usage_tracking_default partition of usage_tracking default;

-- An entry is never taken back: an unfinished minute may grow, with its split kept.
create function only_raise_minute() returns trigger language plpgsql as $$
begin
  if (new.session_month, new.org, new.session, new.minute, new.period, new.user_id, new.day)
     is distinct from
     (old.session_month, old.org, old.session, old.minute, old.period, old.user_id, old.day)
  then
    raise exception 'A minute record keeps its name: % minute % of %', old.session, old.minute, old.org
      using errcode = 'integrity_constraint_violation';
  end if;
  if old.ms = 60000 or new.ms < old.ms or new.plan_ms < old.plan_ms
     or new.extra_ms < old.extra_ms or new.overage_ms < old.overage_ms
     or new.billable_ms < old.billable_ms or new.debt_ms < old.debt_ms
  then
    raise exception 'A minute record may only be raised: % minute % of %, from % to % ms',
      old.session, old.minute, old.org, old.ms, new.ms
      using errcode = 'integrity_constraint_violation',
            hint = 'Correct it by an adjustment, which is an entry of its own.';
  end if;
  return new;
end $$;
create trigger only_raise before update on usage_tracking
  for each row execute function only_raise_minute();
