-- The monthly cap of automatic top-up is of the currency that its package had when it was set: cents of
-- two currencies are never added, and a package that is sold in another one by now waits for a person.
select set_config('taximeter.scope', 'installation', true);

alter table top_ups add column currency text check (currency ~ '^[a-z]{3}$');
update top_ups t set currency = p.currency from extra_minutes_packages p where p.id = t.package;
alter table top_ups alter column currency set not null;
