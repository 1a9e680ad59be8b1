-- Extra minutes bought by themselves, overage reported to Stripe, and the grace of an invoice that
-- nobody has paid.
select set_config('taximeter.scope', 'installation', true);

alter table plans
  add column overage_meter text check (overage_meter ~ '^\S{1,100}$'), -- its event name at Stripe
  add column payment_grace_days integer not null default 7 check (payment_grace_days between 0 and 365);

-- What an organization lets be bought without anybody at hand, and how that went.
create table top_ups (
  org text primary key references organizations (id),
  enabled boolean not null,
  package text not null references extra_minutes_packages (id),
  threshold_ms bigint not null check (threshold_ms > 0),
  monthly_cap_cents integer not null check (monthly_cap_cents > 0),
  cool_off_ms integer not null check (cool_off_ms >= 0),
  payment_method text, -- null: the customer's saved one
  attempts integer not null default 0,
  judged integer not null default 0, -- attempts whose outcome is in what follows
  last_at timestamptz, -- meter instant of the last attempt
  failures integer not null default 0, -- in a row
  paused_until timestamptz, -- meter instant
  trouble text, -- a code of ours or of Stripe; the words are made of it
  -- Of the attempt under way, in real time: who has it may ask Stripe until then.
  tries integer not null default 0,
  next_try_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (judged <= attempts)
);
create index top_ups_enabled on top_ups (org) where enabled or judged < attempts;
select guard_tenants('top_ups');

-- Word for word what Stripe is asked for, however often: an idempotency key holds for the same only.
alter table payments
  add column attempt integer,
  add column customer text,
  add column payment_method text,
  add constraint payments_attempt check ((kind = 'topUp') = (attempt is not null));
create unique index payments_attempt_once on payments (org, attempt) where kind = 'topUp';

-- Of several saved ones the later holds, by Stripe's clock.
alter table stripe_customers add column payment_method_at timestamptz;

-- Overage as it is told to Stripe: whole minutes, each row one event or one credit for a person.
create table overage_reports (
  org text not null references organizations (id),
  period timestamptz not null,
  sequence integer not null check (sequence > 0),
  kind text not null check (kind in ('report', 'credit')),
  minutes integer not null check (minutes <> 0 and (kind = 'report') = (minutes > 0)),
  event_name text not null,
  customer text not null,
  identifier text not null unique,
  occurred_at timestamptz not null, -- Stripe's clock
  created_at timestamptz not null default now(),
  attempts integer not null default 0,
  first_tried_at timestamptz,
  next_try_at timestamptz not null default now(),
  sent_at timestamptz,
  unclear_at timestamptz, -- whether Stripe has it nobody knows any more: a person has to look
  cancel_at timestamptz, -- it counts no more from then on
  cancelled_at timestamptz, -- and Stripe knows
  cancel_refused_at timestamptz, -- too late: it counts
  last_error text,
  primary key (org, period, sequence),
  foreign key (org, period) references billing_periods (org, starts_at),
  check (cancelled_at is null or cancel_at is not null),
  check (cancel_at is null or cancel_refused_at is null)
);
create index overage_reports_waiting on overage_reports (next_try_at)
  where kind = 'report' and unclear_at is null
    and ((sent_at is null and cancelled_at is null) or (cancel_at is not null and cancelled_at is null));
select guard_tenants('overage_reports');
create index billing_periods_billable on billing_periods (ends_at) where billable_ms > 0;

-- Invoices of Stripe that were not paid when they should have been.
create table stripe_invoices (
  id text primary key,
  org text not null references organizations (id),
  overdue_since timestamptz, -- meter instant at which its failure was learned
  settled_at timestamptz, -- paid, or void: for good, by Stripe's clock
  amount_cents integer not null default 0,
  currency text,
  url text -- where it is paid
);
create index stripe_invoices_org on stripe_invoices (org);
select guard_tenants('stripe_invoices');

alter table organizations
  add column payment_overdue_since timestamptz, -- meter instant; of its oldest unpaid invoice
  add column payment_grace_ended boolean not null default false, -- carried out: no overage
  add constraint organizations_grace check (not payment_grace_ended or payment_overdue_since is not null);
create index organizations_overdue on organizations (payment_overdue_since)
  where payment_overdue_since is not null;

-- As the plan says, but that who has not paid for overage gets no more of it.
create function limit_mode(plan plans, org organizations) returns smallint
  language sql immutable parallel safe
  return case when limit_mode(plan) = 1 and (org).payment_grace_ended then 0
              else limit_mode(plan) end::smallint;
