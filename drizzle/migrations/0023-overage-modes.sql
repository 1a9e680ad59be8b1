-- Overage is told in test or in live mode, as purchases are made in one: a change of keys within a
-- period must not take what was told by test keys for told.
select set_config('taximeter.scope', 'installation', true);

-- No default: a worker of before this that writes a row fails, which is better than a wrong mode.
alter table overage_reports add column livemode boolean;
-- What is there counts as it did: as of the organization's customer now.
update overage_reports r set livemode = c.livemode from stripe_customers c where c.org = r.org;
update overage_reports set livemode = false where livemode is null;
alter table overage_reports alter column livemode set not null;

-- Of what only Stripe can say more: when it was asked last. One that it never answers for waits behind
-- the others then.
alter table stripe_events add column asked_at timestamptz;
