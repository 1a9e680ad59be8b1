create table extra_minutes_packages (
  id text primary key,
  name text not null,
  granted_ms bigint not null check (granted_ms > 0),
  price_cents integer not null check (price_cents >= 0),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  active boolean not null default true
);
insert into extra_minutes_packages (id, name, granted_ms, price_cents, currency) values
  ('minutes-60', '60 minutes', 60 * 60000, 999, 'usd'),
  ('minutes-150', '150 minutes', 150 * 60000, 1999, 'usd'),
  ('minutes-300', '300 minutes', 300 * 60000, 3499, 'usd'),
  ('minutes-600', '600 minutes', 600 * 60000, 5999, 'usd');

-- A correction or a gift: an entry of its own. `extra` gives a lot or takes from lots, `plan` moves
-- the quota of one period. What takes something away is carried out after settling what is open.
create table adjustments (
  id text primary key,
  org text not null references organizations (id),
  user_id text,
  kind text not null check (kind in ('extra', 'plan')),
  ms bigint not null check (ms <> 0),
  period timestamptz,
  reason text not null,
  actor text not null,
  created_at timestamptz not null,
  applied_at timestamptz,
  -- Part of a negative adjustment that could not be taken, since it was used already.
  unapplied_ms bigint not null default 0 check (unapplied_ms >= 0),
  check ((kind = 'plan') = (period is not null)),
  foreign key (org, period) references billing_periods (org, starts_at)
);
create index adjustments_org on adjustments (org, created_at desc);
create index adjustments_waiting on adjustments (org) where applied_at is null;

-- Lots. Burnt by (expiry if any, purchased_at, id): worker/ledger/README.md.
create table extra_minutes_purchases (
  id text primary key,
  org text not null references organizations (id),
  granted_ms bigint not null check (granted_ms > 0),
  used_ms bigint not null default 0,
  reversed_ms bigint not null default 0,
  purchased_at timestamptz not null,
  expires_at timestamptz,
  expired_at timestamptz, -- carried out; until then it still serves
  frozen_at timestamptz, -- disputed
  source text not null check (source in ('purchase', 'adjustment', 'import')),
  adjustment text references adjustments (id),
  package text references extra_minutes_packages (id),
  amount_cents integer check (amount_cents >= 0),
  currency text check (currency ~ '^[a-z]{3}$'),
  check (used_ms between 0 and granted_ms),
  check (reversed_ms between 0 and granted_ms)
);
create index extra_minutes_purchases_org on extra_minutes_purchases (org, purchased_at);

create function only_burn_lot() returns trigger language plpgsql as $$
begin
  if new.used_ms < old.used_ms or (new.granted_ms, new.org) is distinct from (old.granted_ms, old.org)
     or (new.used_ms > old.used_ms and new.used_ms > new.granted_ms - new.reversed_ms)
  then
    raise exception 'Lot % of %: used % of % ms (% reversed) can''t become % of %',
      old.id, old.org, old.used_ms, old.granted_ms, old.reversed_ms, new.used_ms, new.granted_ms
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create trigger only_burn before update on extra_minutes_purchases
  for each row execute function only_burn_lot();

-- Which minute burnt which lot: the ledger's other half.
create table extra_minutes_usage (
  session_month date not null,
  org text not null,
  session text not null,
  minute integer not null,
  period timestamptz not null,
  purchase text not null references extra_minutes_purchases (id),
  ms integer not null check (ms between 1 and 60000),
  primary key (session_month, org, session, minute, period, purchase),
  foreign key (session_month, org, session, minute, period)
    references usage_tracking (session_month, org, session, minute, period)
);
create index extra_minutes_usage_purchase on extra_minutes_usage (purchase);

create function only_raise_burn() returns trigger language plpgsql as $$
begin
  if new.ms < old.ms
     or (new.session_month, new.org, new.session, new.minute, new.period, new.purchase)
        is distinct from
        (old.session_month, old.org, old.session, old.minute, old.period, old.purchase)
  then
    raise exception 'What a minute burnt of lot % may only be raised, from % to % ms',
      old.purchase, old.ms, new.ms using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create trigger only_raise before update on extra_minutes_usage
  for each row execute function only_raise_burn();

-- Makes the monthly partitions from a month on. Runs as the owner, since services own no table.
-- What waited in the default partition moves over, and what refers to it steps aside meanwhile:
-- a reference into a partitioned table does not follow a row from one partition to another.
-- Answers how many were made.
create function make_usage_partitions(first_month date, months integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  month date;
  after date;
  partition text;
  burns extra_minutes_usage[];
  made integer := 0;
begin
  perform pg_advisory_xact_lock(hashtext('make_usage_partitions'));
  for i in 0..months - 1 loop
    month := (date_trunc('month', first_month) + make_interval(months => i))::date;
    after := (month + interval '1 month')::date;
    partition := 'usage_tracking_' || to_char(month, 'YYYY_MM');
    continue when to_regclass(partition) is not null;
    execute format('create table %I (like usage_tracking including all)', partition);
    lock table usage_tracking_default in access exclusive mode;
    select array_agg(u) into burns from extra_minutes_usage u
      where u.session_month >= month and u.session_month < after;
    delete from extra_minutes_usage u where u.session_month >= month and u.session_month < after;
    execute format(
      'with moved as (delete from usage_tracking_default
         where session_month >= %L and session_month < %L returning *)
       insert into %I select * from moved', month, after, partition);
    execute format(
      'alter table usage_tracking attach partition %I for values from (%L) to (%L)',
      partition, month, after);
    insert into extra_minutes_usage select * from unnest(burns);
    made := made + 1;
  end loop;
  return made;
end $$;
