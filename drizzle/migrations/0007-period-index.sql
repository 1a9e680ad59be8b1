-- A burn refers to its minute, by all five columns of the minute's key. Until a month's new partition
-- has statistics, Postgres may look there by whatever index has some of these columns in front: by
-- (org, period) it read every minute of the organization's period, for each burn. So this one says
-- all that the key does, and either finds one row.
drop index usage_tracking_period;
create index usage_tracking_period on usage_tracking (org, period, session, minute);
