-- API keys by the API. A gateway's login still may not write api_keys, nor read what keys are known
-- by: it comes with the hash of a key that was presented, and these functions let that key do what
-- it may. So who holds the login, and no key, makes none. Each writes its own audit entry. They see
-- keys where the caller has said, as for the table itself, that it asks for the whole installation.

alter table api_keys
  -- Of the secret before the last rotation, which holds until then.
  add column previous_hash text unique check (previous_hash ~ '^[0-9a-f]{64}$'),
  add column previous_until timestamptz,
  add column last_used_at timestamptz, -- coarse: no write per request
  alter column scopes drop not null,
  alter column scopes drop default; -- null: all
-- Scopes were not asked for before: none was all.
update api_keys set scopes = null where scopes = '{}';

-- The key of this hash if it holds at that instant, without what it is known by.
create function api_key_of(hash text, at timestamptz)
  returns table (id text, orgs text[], scopes text[], last_used_at timestamptz, known_by text)
  language sql stable security definer
  set search_path = public, pg_temp as $$
  select k.id, k.orgs, k.scopes, k.last_used_at, hash from api_keys k
  where (k.key_hash = hash or (k.previous_hash = hash and k.previous_until > at))
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > at)
$$;

-- The key that asks for a change of keys; held, so that it cannot be revoked meanwhile.
create function api_key_asking(asker text, at timestamptz) returns api_keys
  language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  found_key api_keys;
begin
  select * into found_key from api_keys k
    where k.id = (select id from api_key_of(asker, at)) and k.revoked_at is null for share;
  if found_key.id is null or not (found_key.scopes is null or 'keys' = any (found_key.scopes)) then
    raise exception using errcode = 'TMK01', message = 'the key that asks may not change keys';
  end if;
  return found_key;
end $$;

-- Whether one key has all that another has: organizations, scopes, time.
create function api_key_covers(
    own api_keys, orgs text[], scopes text[], expires_at timestamptz) returns boolean
  language sql immutable as $$
  select (own.orgs is null or coalesce(orgs <@ own.orgs, false))
    and (own.scopes is null or coalesce(scopes <@ own.scopes, false))
    and (own.expires_at is null or coalesce(expires_at <= own.expires_at, false))
$$;

create function audit_api_key(own api_keys, action text, key_id text, orgs text[],
    at timestamptz, detail jsonb) returns void
  language sql as $$
  insert into audit_log (at, actor, action, org, subject, detail)
  values (at, 'key:' || own.id, action, case when cardinality(orgs) = 1 then orgs[1] end, key_id,
    detail)
$$;

create function make_api_key(asker text, key_id text, key_name text, hash text, key_orgs text[],
    key_scopes text[], expires timestamptz, at timestamptz) returns void
  language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  own api_keys := api_key_asking(asker, at);
begin
  if not api_key_covers(own, key_orgs, key_scopes, expires) then
    raise exception using errcode = 'TMK01', message = 'a key makes none that may more than itself';
  end if;
  insert into api_keys (id, name, key_hash, orgs, scopes, created_at, expires_at)
    values (key_id, key_name, hash, key_orgs, key_scopes, at, expires);
  perform audit_api_key(own, 'key.make', key_id, key_orgs, at, jsonb_build_object(
    'name', key_name, 'orgs', key_orgs, 'scopes', key_scopes, 'expiresAt', expires));
end $$;

-- Whoever rotates a key learns its new secret, so it must cover it; a key may rotate itself.
create function rotate_api_key(asker text, key_id text, hash text, until timestamptz,
    at timestamptz) returns void
  language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  own api_keys := api_key_asking(asker, at);
  target api_keys;
begin
  select * into target from api_keys k where k.id = key_id and k.revoked_at is null for update;
  if target.id is null or (target.id <> own.id
      and not api_key_covers(own, target.orgs, target.scopes, target.expires_at)) then
    raise exception using errcode = 'TMK01', message = 'a key rotates none that may more than itself';
  end if;
  update api_keys k set previous_hash = case when until > at then k.key_hash end,
    previous_until = case when until > at then until end, key_hash = hash where k.id = key_id;
  perform audit_api_key(own, 'key.rotate', key_id, target.orgs, at,
    jsonb_build_object('previousUntil', until));
end $$;

-- For good; again is nothing. Its own time does not count: what expires sooner may end a key too.
create function revoke_api_key(asker text, key_id text, at timestamptz) returns void
  language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  own api_keys := api_key_asking(asker, at);
  target api_keys;
begin
  select * into target from api_keys k where k.id = key_id for update;
  if target.id is null or (target.id <> own.id
      and not api_key_covers(own, target.orgs, target.scopes, own.expires_at)) then
    raise exception using errcode = 'TMK01', message = 'a key revokes none that may more than itself';
  end if;
  if target.revoked_at is not null then return; end if;
  update api_keys k set revoked_at = at where k.id = key_id;
  perform audit_api_key(own, 'key.revoke', key_id, target.orgs, at, '{}');
end $$;

-- Noted at that instant, unless a use since `before` is noted already.
create function use_api_key(hash text, at timestamptz, before timestamptz) returns void
  language sql security definer
  set search_path = public, pg_temp as $$
  update api_keys k set last_used_at = at
  where (k.key_hash = hash or k.previous_hash = hash) and coalesce(k.last_used_at <= before, true)
$$;

-- Those who may are said in drizzle/grants.ts.
revoke execute on function api_key_of(text, timestamptz), api_key_asking(text, timestamptz),
  api_key_covers(api_keys, text[], text[], timestamptz),
  audit_api_key(api_keys, text, text, text[], timestamptz, jsonb),
  make_api_key(text, text, text, text, text[], text[], timestamptz, timestamptz),
  rotate_api_key(text, text, text, timestamptz, timestamptz),
  revoke_api_key(text, text, timestamptz), use_api_key(text, timestamptz, timestamptz) from public;
