import type postgres from 'postgres';
import { shardOf } from '../../core/meter/keys.ts';
import { groupBy } from '../../worker/ledger/grouping.ts';
import { lockShard } from '../../worker/ledger/reads.ts';
import type { Accounts } from './accounts.ts';
import { type LotRow, lotId, readLot } from './lot-row.ts';
import { createReading, isRefusal, type ReadOptions, readable } from './reading.ts';
import type { Skips } from './skips.ts';
import type { SourceTable } from './source.ts';

export interface LotCounts {
  /** lots that are new here */
  made: number;
  grantedMs: number;
  /** what was left of them there, as far as it is said */
  leftMs: number;
  /** lots imported before of which more was used there since */
  lowered: number;
  loweredMs: number;
}

interface Lot extends Omit<LotRow, 'source'> {
  lot: string;
}

interface KnownLot {
  lot: string;
  grantedMs: number;
  /** null: the source did not say */
  elsewhereMs: number | null;
}

const knownLots = (tx: postgres.ISql, lots: readonly Lot[]) => tx<KnownLot[]>`
  select p.id as lot, p.granted_ms as "grantedMs", i.elsewhere_ms as "elsewhereMs"
  from extra_minutes_purchases p left join import_lots i on i.lot = p.id
  where p.id = any(${lots.map((it) => it.lot)})`;

/**
 * New lots, with what the source used of them in `reversed_ms`, so that exactly the rest serves from
 * the first moment on; imported minutes move it to `used_ms` as they burn it.
 */
async function insertLots(tx: postgres.TransactionSql, lots: readonly Lot[]): Promise<void> {
  const rows = tx`
    json_to_recordset(${JSON.stringify(lots)}::json) as w (lot text, org text, "grantedMs" bigint,
      "elsewhereMs" bigint, "purchasedAt" bigint, "expiresAt" bigint, "amountCents" integer,
      currency text)`;
  await tx`
    insert into extra_minutes_purchases (id, org, granted_ms, reversed_ms, purchased_at, expires_at,
      expired_at, source, amount_cents, currency)
    select lot, org, "grantedMs", coalesce("elsewhereMs", 0), from_epoch_ms("purchasedAt"),
      from_epoch_ms("expiresAt"),
      case when from_epoch_ms("expiresAt") <= now() then from_epoch_ms("expiresAt") end, 'import',
      "amountCents", currency
    from ${rows}`;
  await tx`insert into import_lots (lot, org, elsewhere_ms) select lot, org, "elsewhereMs" from ${rows}`;
}

/** More was used there since the last import: as far as it has not been used here, it is gone. */
async function lowerLot(tx: postgres.TransactionSql, lot: Lot): Promise<number> {
  const [row] = await tx<{ ms: number }[]>`
    with now as (
      select p.id, least(${lot.elsewhereMs}::bigint - i.elsewhere_ms,
        p.granted_ms - p.reversed_ms - p.used_ms) as ms
      from extra_minutes_purchases p join import_lots i on i.lot = p.id
      where p.id = ${lot.lot} for no key update of p),
    noted as (
      update import_lots i set elsewhere_ms = i.elsewhere_ms + now.ms from now
      where i.lot = now.id and now.ms > 0)
    update extra_minutes_purchases p set reversed_ms = reversed_ms + now.ms from now
    where p.id = now.id and now.ms > 0 returning now.ms`;
  return row?.ms ?? 0;
}

/** Extra minutes came: the word for the meter, as of every change of a grant. */
async function tellGrant(tx: postgres.TransactionSql, org: string): Promise<void> {
  await tx`
    update organizations set grant_version = nextval('limit_versions') where id = ${org}`;
  await tx`insert into meter_outbox (org) values (${org})`;
}

/** What there is to do with these lots; done, unless it is a dry run. */
async function takeLots(
  sql: postgres.Sql,
  lots: readonly Lot[],
  isDryRun: boolean,
  counts: LotCounts,
): Promise<Set<string>> {
  const news = new Set<string>();
  for (const [org, mine] of [...groupBy(lots, (it) => it.org)].sort()) {
    await sql.begin(async (tx) => {
      if (!isDryRun) await lockShard(tx, shardOf(org));
      const known = new Map((await knownLots(tx, mine)).map((it) => [it.lot, it]));
      const fresh = mine.filter(({ lot }) => !known.has(lot));
      const lower = mine.filter(({ lot, elsewhereMs }) => {
        const before = known.get(lot)?.elsewhereMs ?? null;
        return before !== null && elsewhereMs !== null && elsewhereMs > before;
      });
      let loweredMs = 0;
      for (const it of lower) {
        if (!isDryRun) loweredMs += await lowerLot(tx, it);
        else loweredMs += it.elsewhereMs! - known.get(it.lot)!.elsewhereMs!;
      }
      if (!isDryRun && fresh.length > 0) await insertLots(tx, fresh);
      if (!isDryRun && (fresh.length > 0 || loweredMs > 0)) await tellGrant(tx, org);
      for (const it of fresh) {
        news.add(it.lot);
        counts.grantedMs += it.grantedMs;
        counts.leftMs += it.grantedMs - (it.elsewhereMs ?? 0);
      }
      counts.made += fresh.length;
      if (loweredMs > 0) counts.lowered += lower.length;
      counts.loweredMs += loweredMs;
    });
  }
  return news;
}

/** Imports purchased minutes; each lot once, by the source's id. */
export async function importLots(
  sql: postgres.Sql,
  table: SourceTable,
  options: ReadOptions & { isDryRun: boolean },
  given: { accounts: Accounts; skips: Skips; counts: LotCounts; read: (rows: number) => void },
): Promise<void> {
  const { accounts, skips, counts, read } = given;
  const reading = createReading('lots', table, options);
  const seen = new Map<string, number>();
  const occurrence = (key: string) => {
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return before;
  };
  const inRun = new Set<string>();
  for await (const rows of readable(table, skips, read)) {
    const good: LotRow[] = [];
    for (const row of rows) {
      const lot = readLot(reading, row, options, occurrence);
      if (isRefusal(lot)) skips.add(table, row, lot.kind, lot.says);
      else good.push(lot);
    }
    const orgs = await accounts.organizationsOf(good);
    const lots = new Map<string, { lot: Lot; row: LotRow }>();
    for (const [i, row] of good.entries()) {
      const org = orgs[i]!;
      if (typeof org !== 'string') {
        skips.add(table, row.source, org.kind, org.says);
        continue;
      }
      const lot = lotId(org, row.id);
      if (inRun.has(lot)) {
        skips.add(table, row.source, 'duplicate', row.id);
        continue;
      }
      inRun.add(lot);
      const { source: _, ...rest } = row;
      lots.set(lot, { lot: { ...rest, org, lot }, row });
    }
    const all = [...lots.values()];
    const news = await takeLots(
      sql,
      all.map(({ lot }) => lot),
      options.isDryRun,
      counts,
    );
    for (const { lot, row } of all) {
      if (!news.has(lot.lot)) skips.add(table, row.source, 'known', row.id);
    }
  }
}
