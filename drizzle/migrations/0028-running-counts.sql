-- The running check looks at the pieces that count now: by the month in which they were taken, since
-- what was ever consumed would be more at every look.
create index feature_consumptions_month on feature_consumptions (org, month_starts_at);
