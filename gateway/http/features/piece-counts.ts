/**
 * The rows of `usage_quotas`: counted, read, and given back. What decides is one conditional upsert;
 * nothing is read first and written later.
 */
import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../../drizzle/client.ts';
import type { Per, PieceCount, PieceLimit, Scope, Windows } from './piece-limit.ts';

/** Whose pieces of what, and in which day and month. */
export interface Counted {
  org: string;
  user: string;
  feature: string;
  windows: Windows;
}

interface Row extends Record<string, unknown> {
  user: string;
  per: Per;
  used: number;
}

/** The organization's own row has no member. */
const ownerOf = (scope: Scope, user: string) => (scope === 'organization' ? '' : user);

/**
 * Adds the quantity to every count that has room for it, in one statement: a row that another request
 * is changing is waited for, and judged by what that one left. Rows are locked in the order given,
 * the same for all, so that no two requests wait for each other.
 * @param enforced false: counted past the limits, too
 * @returns the counts that took it. If one is missing, the caller must roll back.
 */
export async function countPieces(
  tx: Transaction,
  counted: Counted,
  limits: readonly PieceLimit[],
  quantity: number,
  enforced: boolean,
): Promise<PieceCount[]> {
  const { org, user, feature, windows } = counted;
  const asked = limits.map(
    ({ scope, per, limit }, index) => sql`(${index}::int, ${ownerOf(scope, user)}::text,
      ${per}::text, from_epoch_ms(${windows[per].startsAt}), from_epoch_ms(${windows[per].endsAt}),
      ${limit}::bigint)`,
  );
  const rows = await tx.execute<Row>(sql`
    insert into usage_quotas as q (org, user_id, feature, per, starts_at, ends_at, used, piece_limit)
    select ${org}, user_id, ${feature}, per, starts_at, ends_at, ${quantity}::bigint, piece_limit
    from (values ${sql.join(asked, sql`, `)})
      as asked (place, user_id, per, starts_at, ends_at, piece_limit)
    where not ${enforced} or piece_limit is null or ${quantity}::bigint <= piece_limit
    order by place
    on conflict (org, user_id, feature, per, starts_at) do update
      set used = q.used + excluded.used, ends_at = excluded.ends_at,
        piece_limit = excluded.piece_limit
      where not ${enforced} or excluded.piece_limit is null
        or q.used + excluded.used <= excluded.piece_limit
    returning user_id as user, per, used`);
  return limits.flatMap((limit) => {
    const row = rows.find((it) => it.user === ownerOf(limit.scope, user) && it.per === limit.per);
    return row === undefined ? [] : [countOf(limit, row.used, windows)];
  });
}

/** As they stand now: what nobody has counted yet is 0. */
export async function readPieces(
  db: Queryable,
  { org, user, feature, windows }: Counted,
  limits: readonly PieceLimit[],
): Promise<PieceCount[]> {
  const rows = await db.execute<Row>(sql`
    select user_id as user, per, used from usage_quotas
    where org = ${org} and feature = ${feature} and user_id in ('', ${user})
      and ((per = 'day' and starts_at = from_epoch_ms(${windows.day.startsAt}))
        or (per = 'month' and starts_at = from_epoch_ms(${windows.month.startsAt})))`);
  return limits.map((limit) => {
    const row = rows.find((it) => it.user === ownerOf(limit.scope, user) && it.per === limit.per);
    return countOf(limit, row?.used ?? 0, windows);
  });
}

/** Of which feature, and '' or a member: its use in the day or the month. */
export interface PiecesUsed extends Record<string, unknown> {
  feature: string;
  user: string;
  per: Per;
  used: number;
}

/** All counts of an organization, and of a member if one is named, that are above 0 now. */
export async function readAllPieces(
  db: Queryable,
  { org, user, windows }: { org: string; user: string | null; windows: Windows },
): Promise<PiecesUsed[]> {
  const rows = await db.execute<PiecesUsed>(sql`
    select feature, user_id as user, per, used from usage_quotas
    where org = ${org} and user_id in ('', ${user ?? ''})
      and ((per = 'day' and starts_at = from_epoch_ms(${windows.day.startsAt}))
        or (per = 'month' and starts_at = from_epoch_ms(${windows.month.startsAt})))`);
  return [...rows];
}

export interface Taken {
  user: string;
  feature: string;
  quantity: number;
  dayStartsAt: number;
  monthStartsAt: number;
}

/** To the very day and month they were taken from: a later one gains nothing. */
export async function giveBackPieces(tx: Transaction, org: string, taken: Taken): Promise<void> {
  const { user, feature, quantity, dayStartsAt, monthStartsAt } = taken;
  const mine = sql`org = ${org} and feature = ${feature} and user_id in ('', ${user})
    and ((per = 'day' and starts_at = from_epoch_ms(${dayStartsAt}))
      or (per = 'month' and starts_at = from_epoch_ms(${monthStartsAt})))`;
  // In the order in which they are counted, lest this and a count wait for each other.
  await tx.execute(sql`
    select from usage_quotas where ${mine} order by user_id <> '', per for update`);
  await tx.execute(sql`update usage_quotas set used = used - ${quantity} where ${mine}`);
}

function countOf({ scope, per, limit }: PieceLimit, used: number, windows: Windows): PieceCount {
  return { scope, per, limit, used, resetsAt: windows[per].endsAt };
}
