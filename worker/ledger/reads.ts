import type postgres from 'postgres';
import type { LimitMode } from '../../core/meter/rows.ts';
import { BURN_ORDER } from '../../drizzle/queries/burn-order.ts';
import type { MinuteChange } from './batch.ts';
import type { Lot } from './burn.ts';
import { numbers, words } from './columns.ts';
import { together } from './together.ts';

type Sql = postgres.TransactionSql;

/** First half of an advisory lock; the second is the shard. Held by whoever writes its ledger. */
export const LEDGER_LOCK = 7_140_022;

/** Waits for the shard's lock, kept to the end of the transaction. Answers its generation. */
export async function lockShard(tx: Sql, shard: number): Promise<number> {
  const lock = tx`select pg_advisory_xact_lock(${LEDGER_LOCK}::integer, ${shard}::integer)`;
  const [, [row]] = await together([
    lock,
    tx<{ generation: number }[]>`select generation from shards where shard = ${shard}`,
  ]);
  return row!.generation;
}

export interface LockedOrganization {
  org: string;
  timeZone: string;
  drawnMs: number;
  drawnSequence: number;
}

/** In the order of their ids, as everybody who locks several. */
export function lockOrganizations(tx: Sql, orgs: string[]): Promise<LockedOrganization[]> {
  return tx<LockedOrganization[]>`
    select id as org, time_zone as "timeZone", drawn_ms as "drawnMs",
      drawn_sequence as "drawnSequence"
    from organizations where id = any(${orgs}) order by id for no key update`;
}

export interface LockedPeriod {
  org: string;
  period: number;
  endsAt: number;
  quotaMs: number | null;
  mode: LimitMode;
  overageCapMs: number | null;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  sequence: number;
}

export function lockPeriods(
  tx: Sql,
  wanted: { org: string; period: number }[],
): Promise<LockedPeriod[]> {
  return tx<LockedPeriod[]>`
    select b.org, w.period, epoch_ms(b.ends_at) as "endsAt", b.quota_ms as "quotaMs", b.mode,
      b.overage_cap_ms as "overageCapMs", b.used_ms as "usedMs", b.plan_ms as "planMs",
      b.extra_ms as "extraMs", b.overage_ms as "overageMs", b.sequence
    from json_to_recordset(${JSON.stringify(wanted)}::json) as w (org text, period bigint)
    join billing_periods b on b.org = w.org and b.starts_at = from_epoch_ms(w.period)
    order by b.org, b.starts_at for no key update of b`;
}

/** A minute as it is stored. */
export interface StoredMinute {
  org: string;
  session: string;
  minute: number;
  period: number;
  day: string;
  ms: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  billableMs: number;
  debtMs: number;
}

/** What a session is in the ledger: the month of its start names the partition of its minutes. */
export interface StoredSession {
  org: string;
  session: string;
  month: string;
  state: 'live' | 'ended' | 'closed';
}

export function readSessions(
  tx: Sql,
  wanted: readonly { org: string; session: string }[],
): Promise<StoredSession[]> {
  return tx<StoredSession[]>`
    select s.org, s.id as session, s.start_month::text as month, s.state
    from unnest(${words(wanted.map((it) => it.org))}::text[],
      ${words(wanted.map((it) => it.session))}::text[]) as w (org, session)
    join sessions s on s.org = w.org and s.id = w.session`;
}

/**
 * Of each minute named, its records in all periods. `materialized`: with the months in hand, the
 * minutes are looked up by their whole key; else every minute of the session would be read for each.
 */
export function readMinutes(
  tx: Sql,
  wanted: readonly Pick<MinuteChange, 'org' | 'session' | 'minute'>[],
): Promise<StoredMinute[]> {
  return tx<StoredMinute[]>`
    with w as materialized (
      select distinct s.start_month as month, w.org, w.session, w.minute
      from unnest(${words(wanted.map((it) => it.org))}::text[],
        ${words(wanted.map((it) => it.session))}::text[],
        ${numbers(wanted.map((it) => it.minute))}::integer[]) as w (org, session, minute)
      join sessions s on s.org = w.org and s.id = w.session
    )
    select u.org, u.session, u.minute, epoch_ms(u.period) as period, u.day::text as day, u.ms,
      u.plan_ms as "planMs", u.extra_ms as "extraMs", u.overage_ms as "overageMs",
      u.billable_ms as "billableMs", u.debt_ms as "debtMs"
    from w join usage_tracking u on u.session_month = w.month and u.org = w.org
      and u.session = w.session and u.minute = w.minute`;
}

/** Lots that have something left, in the burn order of README.md. */
export async function lockLots(tx: Sql, orgs: string[]): Promise<Map<string, Lot[]>> {
  const rows = await tx<(Lot & { org: string })[]>`
    select org, id as purchase, granted_ms - reversed_ms - used_ms as "leftMs"
    from extra_minutes_purchases
    where org = any(${orgs}) and expired_at is null and frozen_at is null
      and used_ms < granted_ms - reversed_ms
    order by org, ${tx.unsafe(BURN_ORDER)} for no key update`;
  const byOrganization = new Map<string, Lot[]>(orgs.map((org) => [org, []]));
  for (const { org, ...lot } of rows) byOrganization.get(org)!.push(lot);
  return byOrganization;
}
