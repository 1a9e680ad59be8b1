/** A finished minute, as an application would put it into a job, and the tables it settles into. */
import type { Sql } from 'postgres';

export const MINUTES_QUEUE = 'peer-minutes';

export interface Minute {
  org: string;
  user: string;
  session: string;
  minute: number;
  period: string;
  day: string;
  ms: number;
}

export async function makeTables(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create table peer_minutes (org text, session text, minute int, period timestamptz,
      user_id text not null, day date not null, ms int not null, plan_ms int not null,
      extra_ms int not null, overage_ms int not null, primary key (org, session, minute, period));
    create table peer_lots (id text primary key, org text not null, granted_ms bigint not null,
      used_ms bigint not null default 0, purchased_at timestamptz not null);
    create index peer_lots_left on peer_lots (org, purchased_at, id) where used_ms < granted_ms;
    create table peer_burns (org text, session text, minute int, period timestamptz, purchase text,
      ms int not null, primary key (org, session, minute, period, purchase));
    create table peer_periods (org text, period timestamptz, quota_ms bigint not null,
      used_ms bigint not null default 0, plan_ms bigint not null default 0,
      extra_ms bigint not null default 0, overage_ms bigint not null default 0, primary key (org, period));
    create table peer_months (org text, user_id text, period timestamptz, used_ms bigint not null,
      minutes int not null, primary key (org, user_id, period));
    create table peer_days (org text, user_id text, day date, used_ms bigint not null,
      minutes int not null, primary key (org, user_id, day));
    create table peer_sessions (org text, session text, settled_ms bigint not null default 0,
      primary key (org, session))`);
}
