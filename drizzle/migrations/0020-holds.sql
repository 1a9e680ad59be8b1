-- Minutes lent while a payment confirms, and lots that expire.
-- The service's logins see no tenant's rows unless they say for whom; neither does the owner.
select set_config('taximeter.scope', 'installation', true);

-- At most so much is lent to an organization; 0: nothing.
alter table plans add column payment_hold_ms bigint not null default 0
  check (payment_hold_ms between 0 and 600000);

-- One loan at a time, whatever two who ask at once have read.
create unique index payments_one_hold on payments (org)
  where hold_until is not null and hold_ended_at is null and paid_at is null;
-- Loans that were never paid: for a day there is no other.
create index payments_unpaid_holds on payments (org, hold_ended_at)
  where hold_ended_at is not null and paid_at is null;
alter table payments add constraint payments_hold_ended
  check (hold_ended_at is null or hold_until is not null);

-- What expires next.
create index extra_minutes_purchases_expiring on extra_minutes_purchases (expires_at)
  where expires_at is not null and expired_at is null;
