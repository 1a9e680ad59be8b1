-- How often a shard of the meter has been recovered; work of an older generation is not written.
create table shards (
  shard smallint primary key check (shard between 0 and 63),
  generation bigint not null default 0,
  -- Lags behind while a recovery is under way, or after one that was cut short.
  recovered_generation bigint not null default 0,
  recovered_at timestamptz
);
insert into shards (shard) select generate_series(0, 63);

-- Meter time = meter_base_at + (real time - real_base_at) * speed; frozen: meter_base_at, for tests.
create table meter_clock (
  only_row boolean primary key default true check (only_row),
  meter_base_at timestamptz not null,
  real_base_at timestamptz not null,
  speed double precision not null default 1 check (speed > 0),
  frozen boolean not null default false
);
insert into meter_clock (meter_base_at, real_base_at)
  select at, at from date_trunc('milliseconds', clock_timestamp()) as at;

-- Organizations whose limits the meter has not been told yet. Written with the change itself.
create table meter_outbox (
  id bigint generated always as identity primary key,
  org text not null references organizations (id),
  user_id text, -- only this member's own limit
  created_at timestamptz not null default now()
);
create function notify_meter_outbox() returns trigger language plpgsql as $$
begin
  perform pg_notify('meter_outbox', '');
  return null;
end $$;
create trigger notify after insert on meter_outbox
  for each statement execute function notify_meter_outbox();

-- Gateways that were answered `recover` say so here.
create table recoveries (
  id bigint generated always as identity primary key,
  shard smallint not null references shards (shard),
  requested_by text not null,
  requested_at timestamptz not null default now(),
  done_at timestamptz,
  generation bigint
);
create index recoveries_open on recoveries (shard) where done_at is null;

create table idempotency_keys (
  owner text not null, -- the API key or principal that sent it
  key text not null check (length(key) between 1 and 255),
  request_hash text not null,
  status integer, -- null while the first request is at work
  body jsonb,
  created_at timestamptz not null default now(),
  primary key (owner, key)
);

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  org text,
  subject text,
  detail jsonb not null default '{}'
);
create index audit_log_org on audit_log (org, id desc);
