-- What was taken over from a system built by hand (tools/backfill, docs/migrate.md).

-- A row of the source's usage, by the source's own key. It is what makes an import idempotent: what
-- the ledger has of a row is `taken_ms`, written in the transaction that settled it, and only what is
-- missing is settled. Without these rows the same file would be settled again.
create table import_rows (
  org text not null,
  session text not null check (is_id(session)),
  at timestamptz not null, -- the start of the row's minute
  user_id text not null check (is_id(user_id)),
  shard smallint not null generated always as (shard_of(org)) stored,
  ms integer not null check (ms between 1 and 60000),
  taken_ms integer not null default 0 check (taken_ms between 0 and ms),
  purchase text, -- the lot that the source says was burnt
  staged_at timestamptz not null default clock_timestamp(),
  primary key (org, session, at)
);
create index import_rows_waiting on import_rows (shard, org, at) where taken_ms < ms;
select guard_tenants('import_rows');

-- A lot that was imported. `elsewhere_ms` of it the source had used before: as much lies in the lot's
-- reversed_ms until imported minutes have burnt it (`burnt_ms`), so that what is left of the lot never
-- changes by them. null: the source does not say, and imported minutes burn what is left of it.
create table import_lots (
  lot text primary key references extra_minutes_purchases (id),
  org text not null references organizations (id),
  elsewhere_ms bigint check (elsewhere_ms >= 0),
  burnt_ms bigint not null default 0 check (burnt_ms >= 0),
  check (burnt_ms <= elsewhere_ms)
);
create index import_lots_org on import_lots (org);
select guard_tenants('import_lots');
