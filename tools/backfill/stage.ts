import type postgres from 'postgres';
import { numbers, words } from '../../worker/ledger/columns.ts';

export interface StagedRow {
  org: string;
  session: string;
  user: string;
  at: number;
  ms: number;
  /** our id of the lot that the source says was burnt */
  purchase: string | null;
}

/**
 * `new`: not seen before. `raised`: known with a smaller figure. `duplicate`: there twice in this run.
 * `known`: imported before, in this run's beginning that was cut short or in another one.
 */
export type StageOutcome = 'new' | 'raised' | 'duplicate' | 'known';

export interface Stage {
  /** Puts rows down by the source's own key; of one key the larger figure counts. */
  put(rows: readonly StagedRow[]): Promise<StageOutcome[]>;
  /** Whose each session is: the user who was there first, or null where it was measured here. */
  owners(
    sessions: readonly { org: string; session: string }[],
  ): Promise<Map<string, string | null>>;
  /** Takes sessions away that began at an instant or later; answers how many rows. */
  dropFrom(at: number): Promise<number>;
}

const keyOf = (it: { org: string; session: string; at: number }) =>
  `${it.org}|${it.session}|${it.at}`;

/** Of rows with the same key the one with most: `first` is the index of the first of them. */
function distinctRows(rows: readonly StagedRow[]) {
  const byKey = new Map<string, { row: StagedRow; first: number }>();
  for (const [first, row] of rows.entries()) {
    const known = byKey.get(keyOf(row));
    if (known === undefined) byKey.set(keyOf(row), { row, first });
    else if (row.ms > known.row.ms) known.row = row;
  }
  // In the order of the key, lest two runs at a time wait for each other.
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, it]) => it);
}

/**
 * The place where rows of the source wait to be settled (`import_rows`). In a dry run it is a
 * temporary table of this connection, which comes before the real one in the search path: all that
 * asks for `import_rows` then sees what would be there.
 */
export async function openStage(sql: postgres.Sql, isDryRun: boolean): Promise<Stage> {
  if (isDryRun) {
    await sql`create temp table import_rows (like public.import_rows including all)`;
  }
  const [clock] = await sql<{ at: string }[]>`select clock_timestamp()::text as at`;
  const since = clock!.at;
  const wanted = (tx: postgres.ISql, rows: readonly { row: StagedRow }[]) => tx`
    unnest(${words(rows.map(({ row }) => row.org))}::text[],
      ${words(rows.map(({ row }) => row.session))}::text[],
      ${numbers(rows.map(({ row }) => row.at))}::bigint[]) with ordinality as w (org, session, at, i)`;

  return {
    async put(rows) {
      if (rows.length === 0) return [];
      const distinct = distinctRows(rows);
      const outcomes = rows.map((): StageOutcome => 'duplicate');
      await sql.begin(async (tx) => {
        if (isDryRun) {
          await tx`
            insert into import_rows (org, session, at, user_id, ms, taken_ms, purchase, staged_at)
            select r.org, r.session, r.at, r.user_id, r.ms, r.taken_ms, r.purchase, r.staged_at
            from ${wanted(tx, distinct)} join public.import_rows r
              on r.org = w.org and r.session = w.session and r.at = from_epoch_ms(w.at)
            on conflict do nothing`;
        }
        const stored = await tx<{ i: number; ms: number; isOfRun: boolean }[]>`
          select w.i, r.ms, r.staged_at >= ${since}::timestamptz as "isOfRun"
          from ${wanted(tx, distinct)} join import_rows r
            on r.org = w.org and r.session = w.session and r.at = from_epoch_ms(w.at)`;
        const known = new Map(stored.map((it) => [it.i - 1, it]));
        const fresh = distinct.filter(({ row, first }, i) => {
          const before = known.get(i);
          if (before === undefined) outcomes[first] = 'new';
          else if (row.ms > before.ms) outcomes[first] = 'raised';
          else outcomes[first] = before.isOfRun ? 'duplicate' : 'known';
          return before === undefined || row.ms > before.ms;
        });
        if (fresh.length > 0)
          await write(
            tx,
            fresh.map(({ row }) => row),
          );
      });
      return outcomes;
    },

    async owners(sessions) {
      const orgs = words(sessions.map((it) => it.org));
      const ids = words(sessions.map((it) => it.session));
      const rows = await sql<{ key: string; user: string | null }[]>`
        with w as materialized (
          select * from unnest(${orgs}::text[], ${ids}::text[]) as w (org, session))
        select w.org || '|' || w.session as key,
          case when s.reason is distinct from 'imported' then null else s.user_id end as user
        from w join sessions s on s.org = w.org and s.id = w.session
        union all
        select w.org || '|' || w.session, r.user_id
        from w cross join lateral (
          (select user_id from import_rows r where r.org = w.org and r.session = w.session limit 1)
          union all
          (select user_id from public.import_rows r where r.org = w.org and r.session = w.session
           limit 1) limit 1) r`;
      const owners = new Map<string, string | null>();
      // What was measured here comes first, and stays.
      for (const { key, user } of rows) if (!owners.has(key)) owners.set(key, user);
      return owners;
    },

    async dropFrom(at) {
      const dropped = await sql`
        delete from import_rows where (org, session) in (
          select org, session from import_rows group by org, session
          having min(at) >= from_epoch_ms(${at}) and sum(taken_ms) = 0)`;
      return dropped.count;
    },
  };
}

function write(tx: postgres.TransactionSql, rows: readonly StagedRow[]): Promise<unknown> {
  const texts = (of: (it: StagedRow) => string) => words(rows.map(of));
  const figures = (of: (it: StagedRow) => number) => numbers(rows.map(of));
  return tx`
    insert into import_rows as r (org, session, at, user_id, ms, purchase)
    select org, session, from_epoch_ms(at), "user", ms, nullif(purchase, '')
    from unnest(${texts((it) => it.org)}::text[], ${texts((it) => it.session)}::text[],
      ${figures((it) => it.at)}::bigint[], ${texts((it) => it.user)}::text[],
      ${figures((it) => it.ms)}::integer[], ${texts((it) => it.purchase ?? '')}::text[])
      as w (org, session, at, "user", ms, purchase)
    on conflict (org, session, at) do update set ms = greatest(r.ms, excluded.ms)`;
}
