-- What a recorder said of its session: flat strings as JSON, or such a text encrypted
-- (core/runtime/text-cipher.ts). The session's own row comes with its first settled minute, so this
-- one does not refer to it. It is no part of the ledger: it may be erased.
create table session_metadata (
  org text not null references organizations (id),
  session text not null check (is_id(session)),
  value text not null check (length(value) <= 8192),
  written_at timestamptz not null default now(),
  primary key (org, session)
);
select guard_tenants('session_metadata');
