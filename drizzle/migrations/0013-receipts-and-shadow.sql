-- Goodwill: minutes given back with a reason, as a lot of their own; it may name the session it is for.
alter table adjustments drop constraint adjustments_kind_check;
alter table adjustments
  add column session text,
  add constraint adjustments_kind_check check (kind in ('extra', 'plan', 'goodwill')),
  add constraint adjustments_goodwill_gives check (kind <> 'goodwill' or ms > 0),
  add constraint adjustments_session_by_goodwill check (session is null or kind = 'goodwill'),
  add constraint adjustments_session_fkey foreign key (org, session) references sessions (org, id);
create index adjustments_session on adjustments (org, session) where session is not null;

-- By which plan and limits a session began and ended: its receipt must say so for good, whatever
-- becomes of the plan. null: it was there before this was kept, or has not ended.
alter table sessions
  add column terms_at_start jsonb,
  add column terms_at_end jsonb;

create function session_terms(of_org text, of_user text) returns jsonb
  language sql stable as $$
  select jsonb_build_object(
    'plan', p.id, 'timeZone', o.time_zone, 'anchorDay', o.anchor_day, 'planMs', p.quota_ms,
    'organizationMs', o.quota_ms, 'memberMs', m.quota_ms, 'maxSessionMs', p.max_session_ms,
    'atLimit', p.at_limit, 'overageCapMs', p.overage_cap_ms, 'roundTo', p.round_to,
    'enforcement', p.enforcement, 'outageTime', p.outage_time)
  from organizations o join plans p on p.id = o.plan
  left join organization_members m on m.org = o.id and m.user_id = of_user
  where o.id = of_org
$$;

-- What was noted once stays. (On every minute's way `ended_at` is not named, and nothing is looked up.)
create function note_session_terms() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.terms_at_start := coalesce(new.terms_at_start, session_terms(new.org, new.user_id));
    if new.ended_at is not null then
      new.terms_at_end := coalesce(new.terms_at_end, new.terms_at_start);
    end if;
    return new;
  end if;
  new.terms_at_start := old.terms_at_start;
  new.terms_at_end := case
    when old.ended_at is null and new.ended_at is not null
      then session_terms(new.org, new.user_id)
    else old.terms_at_end end;
  return new;
end $$;
create trigger note_terms before insert or update of ended_at, terms_at_start, terms_at_end
  on sessions for each row execute function note_session_terms();

-- What enforcement would have refused or stopped, had the plan not been in shadow mode.
create table shadow_decisions (
  id bigint generated always as identity primary key,
  org text not null references organizations (id),
  what text not null check (what in ('refused', 'stopped')),
  reason text not null,
  binding text not null,
  user_id text,
  session text,
  period timestamptz,
  decided_at timestamptz not null, -- meter instant
  -- The reading it was decided by: time in ms, or a number of sessions or pieces.
  unit text not null check (unit in ('ms', 'count')),
  used bigint not null check (used >= 0),
  allowed bigint not null check (allowed >= 0),
  wanted bigint check (wanted >= 0), -- what was asked for, if it said so
  written_at timestamptz not null default now(),
  -- A session is refused or stopped once by a limit, however often it is said.
  unique (org, session, what, binding, period)
);
create index shadow_decisions_decided on shadow_decisions (org, decided_at desc, id desc);
select guard_tenants('shadow_decisions');
