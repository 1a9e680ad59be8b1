import type postgres from 'postgres';
import { numbers, words } from '../../worker/ledger/columns.ts';
import { readAmount } from './amount.ts';
import { lookBack } from './look-back.ts';
import { createReading, type ReadOptions, readable } from './reading.ts';
import type { Skips } from './skips.ts';
import type { SourceTable } from './source.ts';

export interface CacheDifference {
  org: string;
  /** '' where the source's sum is of the whole organization */
  user: string;
  month: string;
  /** what the source's cache says */
  sourceMs: number;
  /** what its rows come to */
  rowsMs: number;
  /** how many rows those are: hand-built caches often count them as minutes */
  rows: number;
}

export interface CacheComparison {
  compared: number;
  agreeing: number;
  differences: CacheDifference[];
}

const MINUTE_MS = 60_000;
const MOST_DIFFERENCES = 1_000;

interface CacheRow {
  org: string;
  user: string;
  month: string;
  ms: number;
}

/** `2026-05`, of `2026-05`, `2026-05-01 00:00:00+00`, `05/2026`, or 5 with 2026 beside it. */
export function monthOf(text: string, year: string): string | null {
  const iso = /^(\d{4})-(\d{1,2})(?:-\d{2}.*)?$/.exec(text);
  const turned = /^(\d{1,2})\/(\d{4})$/.exec(text);
  const alone = /^(\d{1,2})$/.exec(text);
  const found =
    iso?.slice(1) ?? (turned ? [turned[2], turned[1]] : alone ? [year, alone[1]] : null);
  if (found === null || !/^\d{4}$/.test(found[0] ?? '')) return null;
  const month = Number(found[1]);
  return month >= 1 && month <= 12 ? `${found[0]}-${String(month).padStart(2, '0')}` : null;
}

/**
 * Compares the source's own monthly sums with the rows that came of it, in this run and before. They
 * agree if they differ by less than a minute, or if the cache counts rows.
 */
export async function compareCache(
  sql: postgres.Sql,
  table: SourceTable,
  options: ReadOptions,
  { skips, read }: { skips: Skips; read: (rows: number) => void },
): Promise<CacheComparison> {
  const { cell } = createReading('cache', table, options);
  const result: CacheComparison = { compared: 0, agreeing: 0, differences: [] };
  for await (const rows of readable(table, skips, read)) {
    const good: CacheRow[] = [];
    for (const row of rows) {
      const month = monthOf(cell(row, 'month'), cell(row, 'year'));
      const unit = (['ms', 'seconds', 'minutes'] as const).find((it) => cell(row, it) !== '');
      const amount = unit === undefined ? null : readAmount(cell(row, unit), unit);
      if (month === null) skips.add(table, row, 'noTime', `"${cell(row, 'month')}" is no month`);
      else if (amount === null || 'problem' in amount) {
        skips.add(table, row, 'badNumber', amount?.problem ?? 'it does not say how long');
      } else {
        const org = cell(row, 'org') || (options.org ?? '');
        good.push({ org, user: cell(row, 'user'), month, ms: amount.ms });
      }
    }
    for (const it of await sumsOf(sql, good, options.zone)) {
      result.compared += 1;
      const isNear = Math.abs(it.sourceMs - it.rowsMs) < MINUTE_MS;
      if (isNear || it.sourceMs === it.rows * MINUTE_MS) result.agreeing += 1;
      else if (result.differences.length < MOST_DIFFERENCES) result.differences.push(it);
    }
  }
  return result;
}

/** A row without an organization is of its user in all of them. */
async function sumsOf(
  sql: postgres.Sql,
  rows: readonly CacheRow[],
  zone: string,
): Promise<CacheDifference[]> {
  if (rows.length === 0) return [];
  return lookBack(
    sql,
    (tx) => tx<CacheDifference[]>`
      with sums as materialized (
        select org, user_id, to_char(at at time zone ${zone}, 'YYYY-MM') as month,
          sum(ms)::bigint as ms, count(*) as rows
        from import_rows
        where org = any(${[...new Set(rows.map((it) => it.org))]}) or ${rows.some((it) => it.org === '')}
        group by 1, 2, 3)
      select w.org, w."user", w.month, w.ms as "sourceMs",
        coalesce(sum(s.ms), 0)::bigint as "rowsMs", coalesce(sum(s.rows), 0)::bigint as rows
      from unnest(${words(rows.map((it) => it.org))}::text[],
        ${words(rows.map((it) => it.user))}::text[], ${words(rows.map((it) => it.month))}::text[],
        ${numbers(rows.map((it) => it.ms))}::bigint[]) with ordinality
        as w (org, "user", month, ms, i)
      left join sums s on (w.org = '' or s.org = w.org) and s.month = w.month
        and (w."user" = '' or s.user_id = w."user")
      group by w.i, w.org, w."user", w.month, w.ms order by w.i`,
  );
}
