-- Who may start, beside the budgets: a queue for a place, a member's own sessions a day, a session's
-- own longest length, and sessions that hold no socket.

-- queue_max: so many may wait for a place; null: nobody waits
alter table plans add column queue_max integer check (queue_max > 0);
alter table plans add column queue_wait_ms bigint not null default 60000 check (queue_wait_ms > 0);
alter table organization_members
  add column sessions_per_day integer check (sessions_per_day >= 0);

-- A session's own longest length instead of its plan's. It is the ledger's word on it: the meter's own
-- is gone with the meter. The session's row may come later than this one.
create table session_lengths (
  org text not null references organizations (id),
  session text not null check (is_id(session)),
  longest_ms bigint check (longest_ms > 0), -- null: no longest length
  version bigint not null default nextval('limit_versions'),
  set_at timestamptz not null default now(),
  primary key (org, session)
);
select guard_tenants('session_lengths');

-- A session that is metered by totals over HTTP: what every gateway must know to take one.
create table session_leases (
  org text not null references organizations (id),
  session text not null check (is_id(session)),
  user_id text not null,
  -- of meter time, as the meter answered when it let the session in
  began_at timestamptz not null,
  period timestamptz not null,
  -- `file`: a recording that exists already; its length is no matter of the time that passes
  minutes_of text not null check (minutes_of in ('recording', 'file')),
  lease_ms bigint not null check (lease_ms > 0), -- real time
  made_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (org, session)
);
create index session_leases_open on session_leases (org, session) where ended_at is null;
select guard_tenants('session_leases');
