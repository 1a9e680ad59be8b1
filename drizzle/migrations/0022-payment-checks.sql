-- Nightly comparisons with Stripe of the last days, and those asked for in between. What one found and
-- put right is here; the payments themselves have it too. Of no tenant: ids of payments, no more.
create table payment_checks (
  id bigint generated always as identity primary key,
  requested_at timestamptz not null default now(),
  actor text not null,
  days integer not null check (days between 1 and 30),
  started_at timestamptz,
  done_at timestamptz,
  looked integer not null default 0,
  -- [{payment, what}]: what no webhook had told, and now is taken down
  missed jsonb not null default '[]',
  -- [{object, why}]: what a person has to look at
  left_over jsonb not null default '[]',
  failure text
);
create index payment_checks_open on payment_checks (requested_at) where done_at is null;
create function notify_payment_checks() returns trigger language plpgsql as $$
begin
  perform pg_notify('payment_checks', '');
  return null;
end $$;
create trigger notify after insert on payment_checks
  for each statement execute function notify_payment_checks();
