-- A check that shadow mode alone allows is written down where nobody else would: of a feature's pieces
-- and of a file's size. It is asked as often as a page is drawn, so once a member, limit and local day.
alter table shadow_decisions
  add column feature text,
  add column asked_on date, -- local day of a check; null: a session was let in
  drop constraint shadow_decisions_unit_check,
  add constraint shadow_decisions_unit_check check (unit in ('ms', 'count', 'bytes'));
create unique index shadow_decisions_asked
  on shadow_decisions (org, user_id, reason, binding, coalesce(feature, ''), asked_on)
  where asked_on is not null;
