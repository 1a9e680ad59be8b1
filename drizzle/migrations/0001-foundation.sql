-- Instants are timestamptz here and epoch milliseconds in the code; these two are the only way over.
create function epoch_ms(at timestamptz) returns bigint
  language sql stable parallel safe
  return (extract(epoch from at) * 1000)::bigint;

create function from_epoch_ms(ms bigint) returns timestamptz
  language sql stable parallel safe
  return timestamptz 'epoch' + ms * interval '1 millisecond';

-- Every absolute limit and grant takes its version here; the meter ignores a lower one (rule 7).
create sequence limit_versions;

-- FNV-1a over an id, which is ASCII by its check: the same number as shardOf() in
-- core/meter/keys.ts, and as unchangeable, since it decides where an organization lives.
create function shard_of(org text) returns smallint
  language plpgsql immutable parallel safe strict as $$
declare
  hash bigint := 2166136261;
begin
  for i in 1..length(org) loop
    hash := ((hash # ascii(substr(org, i, 1))::bigint) * 16777619) % 4294967296;
  end loop;
  return (hash % 64)::smallint;
end $$;

-- Ids of organizations, members, plans and sessions.
create function is_id(id text) returns boolean
  language sql immutable parallel safe
  return id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$';
