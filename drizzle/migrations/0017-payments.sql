-- Payments. What Stripe says is taken down as facts, each merged so that neither the order nor the
-- number of times it is heard matters; how much of a lot they leave is computed from all of them.
-- The service's logins see no tenant's rows unless they say for whom; neither does the owner.
select set_config('taximeter.scope', 'installation', true);

-- A package's own currency and price stay where they are; here is what it costs in others.
create table extra_minutes_prices (
  package text not null references extra_minutes_packages (id),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  price_cents integer not null check (price_cents > 0),
  primary key (package, currency)
);
alter table extra_minutes_packages
  add column expires_after_days integer check (expires_after_days between 1 and 3660);

create table stripe_customers (
  org text primary key references organizations (id),
  customer text not null unique,
  livemode boolean not null,
  payment_method text, -- kept for payments without a person at hand
  payment_method_label text, -- like "visa 4242"
  created_at timestamptz not null default now()
);
select guard_tenants('stripe_customers');

create table payments (
  id text primary key, -- of the purchase, and of its lot
  org text not null references organizations (id),
  user_id text, -- who pays; null: nobody at hand, or a backend
  kind text not null check (kind in ('purchase', 'topUp')),
  method text not null check (method in ('paymentIntent', 'checkout', 'test')),
  package text not null references extra_minutes_packages (id),
  granted_ms bigint not null check (granted_ms > 0),
  amount_cents integer not null check (amount_cents >= 0),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  expires_after_days integer,
  livemode boolean not null,
  payment_intent text unique,
  checkout_session text unique,
  started_at timestamptz not null, -- meter instant
  created_at timestamptz not null default now(),
  status text not null default 'open'
    check (status in ('open', 'requiresAction', 'processing', 'failed', 'canceled', 'paid')),
  status_at timestamptz, -- when Stripe said so, by its clock
  failure_code text,
  failure_message text,
  paid_at timestamptz, -- meter instant at which it was learned
  charge_refunded_cents integer not null default 0 check (charge_refunded_cents >= 0),
  -- Minutes lent while a payment that was started confirms: at most this many, at most until then.
  hold_ms bigint not null default 0 check (hold_ms between 0 and granted_ms),
  hold_until timestamptz,
  hold_ended_at timestamptz, -- unpaid
  check ((status = 'paid') = (paid_at is not null)),
  check ((hold_ms > 0) = (hold_until is not null))
);
create index payments_org on payments (org, started_at desc, id desc);
create index payments_waiting on payments (created_at) where status not in ('paid', 'canceled');
create index payments_held on payments (hold_until) where hold_ended_at is null and paid_at is null;
select guard_tenants('payments');

-- Paid is paid: what is given back is a refund or a dispute beside it. Who pays how much for what stays.
create function keep_payment() returns trigger language plpgsql as $$
begin
  if (old.paid_at is not null and new.paid_at is distinct from old.paid_at)
     or new.charge_refunded_cents < old.charge_refunded_cents
     or (new.org, new.kind, new.package, new.granted_ms, new.amount_cents, new.currency, new.livemode)
        is distinct from
        (old.org, old.kind, old.package, old.granted_ms, old.amount_cents, old.currency, old.livemode)
     or (old.payment_intent is not null and new.payment_intent is distinct from old.payment_intent)
  then
    raise exception 'Payment % of % is % and can''t be changed so', old.id, old.org, old.status
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create trigger keep before update on payments for each row execute function keep_payment();

create table payment_refunds (
  id text primary key,
  org text not null references organizations (id),
  payment text not null references payments (id),
  cents integer not null check (cents >= 0),
  status text not null
    check (status in ('pending', 'requiresAction', 'succeeded', 'failed', 'canceled')),
  noted_at timestamptz not null default now()
);
create index payment_refunds_payment on payment_refunds (payment);
select guard_tenants('payment_refunds');

create table payment_disputes (
  id text primary key,
  org text not null references organizations (id),
  payment text not null references payments (id),
  cents integer not null check (cents >= 0),
  -- An inquiry asks and takes no money; it may become a dispute.
  status text not null check (status in ('inquiry', 'inquiryClosed', 'open', 'lost', 'won')),
  reason text,
  noted_at timestamptz not null default now()
);
create index payment_disputes_payment on payment_disputes (payment);
select guard_tenants('payment_disputes');

-- Every event that was heard and had a good signature, also those that mean nothing here.
create table stripe_events (
  id text primary key,
  type text not null,
  api_version text,
  livemode boolean not null,
  created_at timestamptz not null, -- by Stripe's clock
  received_at timestamptz not null default now(),
  org text references organizations (id),
  payment text references payments (id),
  payment_intent text, -- named by it; where no payment has it yet, the event waits for one that will
  effect text not null check (effect in ('applied', 'none', 'waiting', 'unknown', 'refused')),
  detail text,
  payload jsonb not null
);
create index stripe_events_waiting on stripe_events (payment_intent) where effect = 'waiting';
create index stripe_events_received on stripe_events (received_at);
select guard_tenants('stripe_events');

-- Of a lot: what adjustments took, beside what refunds and disputes reverse (reversed_ms is both);
-- whether it is only lent while its payment confirms; and what was used of it and nobody paid for.
alter table extra_minutes_purchases
  add column taken_ms bigint not null default 0,
  add column held_at timestamptz,
  add column debt_ms bigint not null
    generated always as (greatest(0, used_ms - (granted_ms - reversed_ms))) stored;
update extra_minutes_purchases set taken_ms = reversed_ms where reversed_ms > 0;
alter table extra_minutes_purchases
  add constraint extra_minutes_purchases_taken check (taken_ms between 0 and reversed_ms);
