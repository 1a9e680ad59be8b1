-- Whose rows a transaction sees, it says first: set_config('taximeter.org', 'acme', true), several
-- organizations with commas between them. Who says nothing sees nothing; FORCE holds a role to it that
-- owns the tables. `taximeter.scope` is for what is no single tenant's: 'installation' for
-- platform-wide calls, 'worker' for settling, where one statement settles many organizations. Whose
-- policy that is, drizzle/grants.ts says, since roles have names of their own at every installation.

-- Every later table with rows of tenants calls this in its migration; drizzle/tenants.test.ts finds
-- one that has not. The sub-selects are evaluated once a statement, not once a row.
create function guard_tenants(guarded regclass, org_column name default 'org') returns void
  language plpgsql as $$
begin
  execute format('alter table %s enable row level security, force row level security', guarded);
  execute format(
    'create policy tenant on %s using (%I = any (
       (select string_to_array(current_setting(''taximeter.org'', true), '',''))::text[]))',
    guarded, org_column);
  execute format(
    'create policy installation on %s using (
       (select current_setting(''taximeter.scope'', true)) = ''installation'')', guarded);
end $$;
revoke execute on function guard_tenants(regclass, name) from public;

select guard_tenants('organizations', 'id');
select guard_tenants('organization_members');
select guard_tenants('billing_periods');
select guard_tenants('sessions');
select guard_tenants('usage_tracking');
select guard_tenants('monthly_usage_cache');
select guard_tenants('daily_usage');
select guard_tenants('usage_alerts');
select guard_tenants('adjustments');
select guard_tenants('extra_minutes_purchases');
select guard_tenants('extra_minutes_usage');
select guard_tenants('meter_outbox');
select guard_tenants('audit_log');

-- Of no tenant, and all the same not for everybody: who presents a key is found platform-wide, and an
-- answer that is kept belongs to the caller it was given to.
alter table api_keys enable row level security, force row level security;
create policy installation on api_keys using (
  (select current_setting('taximeter.scope', true)) = 'installation');
alter table idempotency_keys enable row level security, force row level security;
create policy caller on idempotency_keys using (
  owner = (select current_setting('taximeter.caller', true)));

-- As before, but that its owner is held to the policies now too, so it says what it is for.
create or replace function make_usage_partitions(first_month date, months integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  month date;
  after date;
  partition text;
  burns extra_minutes_usage[];
  made integer := 0;
  scope text := coalesce(current_setting('taximeter.scope', true), '');
begin
  perform pg_advisory_xact_lock(hashtext('make_usage_partitions'));
  perform set_config('taximeter.scope', 'installation', true);
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
  perform set_config('taximeter.scope', scope, true);
  return made;
end $$;
