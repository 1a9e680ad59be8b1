-- Time that was proven while the meter could not take it: charged afterwards, or beside the charge.
alter table plans add column outage_time text not null default 'charge'
  check (outage_time in ('charge', 'forgive'));

-- Times at which a gateway could not ask a store, and what became of what was recorded meanwhile.
-- Of no tenant: sums over all sessions of that gateway.
create table outages (
  id uuid primary key, -- made by the gateway, so that a repeated insert is none
  gateway text not null,
  part text not null check (part in ('redis', 'postgres')),
  began_at timestamptz not null,
  ended_at timestamptz not null check (ended_at >= began_at),
  -- whether the other store was away, too, for some of the time
  both_away boolean not null,
  sessions integer not null,
  counted_ms bigint not null,
  charged_ms bigint not null,
  forgiven_ms bigint not null,
  terminated integer not null,
  written_at timestamptz not null default now()
);
create index outages_began on outages (began_at);
