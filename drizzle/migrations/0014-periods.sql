-- When the ledger last learnt of time in a period: a meter instant. And how a period got its end.
alter table billing_periods
  add column settled_at timestamptz,
  add column closed_by text not null default 'calendar'
    check (closed_by in ('calendar', 'reset', 'repair'));

-- A period that somebody may draw on keeps its start, and its end may only come nearer: so an older
-- word of it, in the meter or on the way there, is told from a newer one without a version. And no
-- instant is in two periods. (Two that write at once both hold the organization's row.)
create function only_shorten_period() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (new.starts_at <> old.starts_at or new.ends_at > old.ends_at) then
    raise exception 'The period of % from % to % can''t become % to %: it may only end earlier.',
      old.org, old.starts_at, old.ends_at, new.starts_at, new.ends_at
      using errcode = 'integrity_constraint_violation';
  end if;
  if exists (select from billing_periods b where b.org = new.org
    and b.starts_at <> new.starts_at and b.starts_at < new.ends_at and b.ends_at > new.starts_at
    -- one that overlaps already may be cut
    and (tg_op = 'INSERT' or not (b.starts_at < old.ends_at and b.ends_at > old.starts_at)))
  then
    raise exception 'The period of % from % to % would overlap another.',
      new.org, new.starts_at, new.ends_at using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create trigger only_shorten before insert or update of starts_at, ends_at on billing_periods
  for each row execute function only_shorten_period();

-- Periods closed by hand. The meter says at which instant; until then the row waits.
create table period_resets (
  id text primary key,
  org text not null references organizations (id),
  period timestamptz not null, -- the one that ran when it was asked for
  reason text not null,
  actor text not null,
  requested_at timestamptz not null default now(),
  at timestamptz, -- where that period ended and the next began: a meter instant
  next_ends_at timestamptz, -- the end that the next one was given
  check ((at is null) = (next_ends_at is null)),
  foreign key (org, period) references billing_periods (org, starts_at)
);
create index period_resets_waiting on period_resets (org) where at is null;
select guard_tenants('period_resets');

-- Organizations that the worker shall compare with their minutes, and what it answered.
create table reconciles (
  id text primary key,
  org text not null references organizations (id),
  actor text not null,
  requested_at timestamptz not null default now(),
  done_at timestamptz,
  result jsonb
);
create index reconciles_waiting on reconciles (requested_at) where done_at is null;
select guard_tenants('reconciles');

create function notify_reconciles() returns trigger language plpgsql as $$
begin
  perform pg_notify('reconciles', '');
  return null;
end $$;
create trigger notify after insert on reconciles
  for each statement execute function notify_reconciles();

-- For whoever reads with plain SQL (docs/sql.md). They run with the caller's rights, so row-level
-- security shows each its own rows, and they decide nothing: a session is let in by the meter alone.

-- Meter time, by the formula of core/meter/README.md.
create function meter_now() returns timestamptz language sql stable
  return (select date_trunc('milliseconds', case when frozen then meter_base_at
    else meter_base_at + (clock_timestamp() - real_base_at) * speed end) from meter_clock);

-- Settled use of an organization's and a member's present period, by the limits of each.
create function settled_budgets(p_user text, p_org text) returns table (
  scope text, quota_ms bigint, mode smallint, used_ms bigint, limit_ms bigint, remaining_ms bigint,
  extra_remaining_ms bigint, period_starts_at timestamptz, period_ends_at timestamptz,
  as_of timestamptz)
  language sql stable as $$
  with here as (
    select b.*, o.drawn_ms, coalesce(b.settled_at, b.starts_at) as stands_at,
      (select coalesce(sum(case when expired_at is not null or frozen_at is not null then p.used_ms
         else greatest(p.used_ms, granted_ms - reversed_ms) end), 0)::bigint
       from extra_minutes_purchases p where p.org = o.id) as granted_ms
    from organizations o join billing_periods b on b.org = o.id
      and b.starts_at <= meter_now() and b.ends_at > meter_now()
    where o.id = p_org
  ), rooms as (
    select 'organization' as scope, h.quota_ms, h.mode, h.used_ms,
      greatest(0, h.granted_ms - h.drawn_ms) as extra_ms,
      case when h.quota_ms is null or h.mode = 2 or (h.mode = 1 and h.overage_cap_ms is null)
        then null
        else greatest(0, h.quota_ms - h.plan_ms) + greatest(0, h.granted_ms - h.drawn_ms)
          + case when h.mode = 1 then greatest(0, h.overage_cap_ms - h.overage_ms) else 0 end
      end as room_ms,
      h.starts_at, h.ends_at, h.stands_at
    from here h
    union all
    -- A member's own limit stops even where the plan bills overage; only shadow mode does not.
    select 'member', m.quota_ms, case when h.mode = 2 then 2 else 0 end::smallint,
      coalesce(c.used_ms, 0), 0,
      case when h.mode = 2 then null else greatest(0, m.quota_ms - coalesce(c.used_ms, 0)) end,
      h.starts_at, h.ends_at, h.stands_at
    from here h join organization_members m on m.org = h.org and m.user_id = p_user
    left join monthly_usage_cache c on c.org = h.org and c.user_id = p_user
      and c.period = h.starts_at
  )
  select r.scope, r.quota_ms, r.mode, r.used_ms,
    case when r.scope = 'member' and r.quota_ms is null then null else r.used_ms + r.room_ms end,
    case when r.scope = 'member' and r.quota_ms is null then null else r.room_ms end,
    r.extra_ms, r.starts_at, r.ends_at, r.stands_at
  from rooms r
$$;

-- One row: whether the ledger sees room for this user, and by which budget. No row: no such
-- organization, or its present period has no row yet.
create function check_usage_limit(p_user text, p_org text) returns table (
  allowed boolean, reason text, binding text, used_ms bigint, limit_ms bigint, remaining_ms bigint,
  extra_remaining_ms bigint, plan text, period_starts_at timestamptz, period_ends_at timestamptz,
  as_of timestamptz)
  language sql stable as $$
  select not o.suspended and coalesce(b.remaining_ms > 0, true),
    case when o.suspended then 'organizationSuspended'
      when b.remaining_ms <= 0 then 'limitReached' end,
    b.scope, b.used_ms, b.limit_ms, b.remaining_ms, b.extra_remaining_ms, o.plan,
    b.period_starts_at, b.period_ends_at, b.as_of
  from organizations o cross join lateral settled_budgets(p_user, p_org) b
  where o.id = p_org
  order by case when o.suspended and b.scope = 'organization' then 0 else 1 end,
    b.remaining_ms nulls last, b.scope desc limit 1
$$;

-- A row a session and period, of sessions that began in [p_from, p_to). p_user null: of all members.
create function get_usage_details(
  p_user text, p_org text, p_from timestamptz, p_to timestamptz) returns table (
  session text, user_id text, period_starts_at timestamptz, started_at timestamptz,
  ended_at timestamptz, state text, minutes bigint, used_ms bigint, plan_ms bigint,
  extra_ms bigint, overage_ms bigint, billable_ms bigint, debt_ms bigint, overshoot_ms bigint,
  as_of timestamptz)
  language sql stable as $$
  select s.id, s.user_id, u.period, s.started_at, s.ended_at, s.state,
    count(u.minute) filter (where not exists (select from usage_tracking e
      where e.session_month = u.session_month and e.org = u.org and e.session = u.session
        and e.minute = u.minute and e.period < u.period)),
    coalesce(sum(u.ms), 0)::bigint, coalesce(sum(u.plan_ms), 0)::bigint,
    coalesce(sum(u.extra_ms), 0)::bigint, coalesce(sum(u.overage_ms), 0)::bigint,
    coalesce(sum(u.billable_ms), 0)::bigint, coalesce(sum(u.debt_ms), 0)::bigint,
    -- of the session, so it stands with its last period alone
    case when u.period is null or u.period = max(u.period) over (partition by s.id)
      then s.overshoot_ms else 0 end,
    (select max(coalesce(b.settled_at, b.starts_at)) from billing_periods b
     where b.org = p_org and b.starts_at <= meter_now())
  from sessions s left join usage_tracking u on u.session_month = s.start_month
    and u.org = s.org and u.session = s.id
  where s.org = p_org and (p_user is null or s.user_id = p_user)
    and s.started_at >= p_from and s.started_at < p_to
  group by s.org, s.id, u.period
  order by s.started_at, s.id, u.period
$$;

-- A row an organization and period of this user, newest first: the present one and those that began
-- within the months before it.
create function calculate_usage_stats(p_user text, p_months_back integer) returns table (
  org text, period_starts_at timestamptz, period_ends_at timestamptz, sessions bigint,
  minutes integer, used_ms bigint, plan_ms bigint, extra_ms bigint, overage_ms bigint,
  average_session_ms bigint, as_of timestamptz)
  language sql stable as $$
  select c.org, b.starts_at, b.ends_at, n.sessions, c.minutes, c.used_ms, c.plan_ms, c.extra_ms,
    c.overage_ms, case when n.sessions = 0 then 0 else c.used_ms / n.sessions end,
    coalesce(b.settled_at, b.starts_at)
  from monthly_usage_cache c
  join billing_periods b on b.org = c.org and b.starts_at = c.period
  cross join lateral (select count(*) as sessions from sessions s
    where s.org = c.org and s.user_id = c.user_id and s.first_period <= b.starts_at
      and s.last_period >= b.starts_at) n
  where c.user_id = p_user and b.starts_at <= meter_now()
    and b.ends_at > meter_now() - make_interval(months => greatest(0, p_months_back))
  order by b.starts_at desc, c.org
$$;

-- A row an organization that this user is a member of: what limits it there. null: nothing does.
create function get_user_plan_limits(p_user text) returns table (
  org text, plan text, quota_ms bigint, member_quota_ms bigint, limit_ms bigint, binding text,
  concurrent_sessions integer, member_concurrent_sessions integer, max_session_ms bigint,
  sessions_per_day integer, max_file_bytes bigint, at_limit text, enforcement text,
  suspended boolean, features jsonb)
  language sql stable as $$
  select o.id, p.id, q.quota_ms, m.quota_ms, least(q.quota_ms, m.quota_ms),
    case when m.quota_ms < coalesce(q.quota_ms, 9223372036854775807) then 'member'
      when q.quota_ms is not null then 'organization' end,
    p.concurrent_sessions, m.concurrent_sessions, p.max_session_ms, p.sessions_per_day,
    p.max_file_bytes, p.at_limit, p.enforcement, o.suspended, p.features
  from organization_members m join organizations o on o.id = m.org join plans p on p.id = o.plan
  -- As the present period has it, adjustments and waiting decreases included.
  left join billing_periods b on b.org = o.id and b.starts_at <= meter_now()
    and b.ends_at > meter_now()
  cross join lateral (select case when b.org is null then limit_quota(p.quota_ms, o.quota_ms, 0)
    else b.quota_ms end as quota_ms) q
  where m.user_id = p_user order by o.id
$$;

-- A row an organization of this user: sessions that the ledger has as running, and how many may.
create function check_concurrent_processing_limit(p_user text) returns table (
  org text, allowed boolean, live_sessions bigint, concurrent_sessions integer,
  user_live_sessions bigint, member_concurrent_sessions integer, as_of timestamptz)
  language sql stable as $$
  select o.id,
    p.enforcement = 'shadow' or (coalesce(n.live < p.concurrent_sessions, true)
      and coalesce(n.own < m.concurrent_sessions, true)),
    n.live, p.concurrent_sessions, n.own, m.concurrent_sessions,
    coalesce((select max(coalesce(b.settled_at, b.starts_at)) from billing_periods b
      where b.org = o.id and b.starts_at <= meter_now()), meter_now())
  from organization_members m join organizations o on o.id = m.org join plans p on p.id = o.plan
  cross join lateral (select count(*) as live, count(*) filter (where s.user_id = p_user) as own
    from sessions s where s.shard = o.shard and s.org = o.id and s.state = 'live') n
  where m.user_id = p_user order by o.id
$$;
