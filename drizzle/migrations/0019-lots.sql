-- What the source of an imported lot had used of it lies in reversed_ms until imported minutes have
-- burnt it: no adjustment took that, and it goes down again.
select set_config('taximeter.scope', 'installation', true);
update extra_minutes_purchases p
  set taken_ms = greatest(0, p.reversed_ms - (i.elsewhere_ms - i.burnt_ms))
  from import_lots i where i.lot = p.id and i.elsewhere_ms is not null and p.taken_ms > 0;
