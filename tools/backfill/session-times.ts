import type postgres from 'postgres';
import { numbers, words } from '../../worker/ledger/columns.ts';
import type { Accounts } from './accounts.ts';
import { createReading, isRefusal, type ReadOptions, readable } from './reading.ts';
import type { Skips } from './skips.ts';
import type { SourceTable } from './source.ts';
import { readSession, type SessionRow } from './usage-row.ts';

export interface SessionCounts {
  /** sessions of the source whose minutes came */
  matched: number;
  /** sessions of which no minute came: nothing was recorded, or its rows are missing */
  withoutUsage: number;
  /** of those matched, whose own duration differs from their minutes by a minute or more */
  differing: number;
  examples: { session: string; says: string }[];
}

const MINUTE_MS = 60_000;
const MOST_EXAMPLES = 5;

interface Match {
  i: number;
  ms: number;
}

/**
 * Gives imported sessions the beginning and the end that the source says, where they lie outside their
 * minutes; what was counted stays. A session keeps its month, which names the partition of its minutes.
 */
export async function importSessionTimes(
  sql: postgres.Sql,
  table: SourceTable,
  options: ReadOptions & { isDryRun: boolean },
  given: { accounts: Accounts; skips: Skips; counts: SessionCounts; read: (rows: number) => void },
): Promise<void> {
  const { accounts, skips, counts, read } = given;
  const reading = createReading('sessions', table, options);
  for await (const rows of readable(table, skips, read)) {
    const good: SessionRow[] = [];
    for (const row of rows) {
      const session = readSession(reading, row, options);
      if (isRefusal(session)) skips.add(table, row, session.kind, session.says);
      else good.push(session);
    }
    const orgs = await accounts.organizationsOf(good);
    const known = good.flatMap((row, i) => {
      const org = orgs[i]!;
      if (typeof org === 'string') return [{ row, org }];
      skips.add(table, row.source, org.kind, org.says);
      return [];
    });
    const wanted = sql`
      unnest(${words(known.map((it) => it.org))}::text[],
        ${words(known.map((it) => it.row.session))}::text[],
        ${numbers(known.map((it) => it.row.at))}::bigint[],
        ${numbers(known.map((it) => it.row.endedAt))}::bigint[]) with ordinality
        as w (org, session, start, "end", i)`;
    const matches = await sql<Match[]>`
      select w.i, sum(r.ms)::bigint as ms from ${wanted}
      join import_rows r on r.org = w.org and r.session = w.session group by w.i`;
    if (!options.isDryRun) {
      await sql`
        update sessions s set started_at = least(s.started_at,
            greatest(from_epoch_ms(w.start), s.start_month::timestamp at time zone 'UTC')),
          ended_at = greatest(s.ended_at, from_epoch_ms(w."end"))
        from ${wanted} where s.org = w.org and s.id = w.session and s.reason = 'imported'
          and (from_epoch_ms(w.start) < s.started_at or from_epoch_ms(w."end") > s.ended_at)`;
    }
    counts.matched += matches.length;
    counts.withoutUsage += known.length - matches.length;
    for (const { i, ms } of matches) {
      const { row } = known[i - 1]!;
      if (row.ms === null || Math.abs(row.ms - ms) < MINUTE_MS) continue;
      counts.differing += 1;
      if (counts.examples.length >= MOST_EXAMPLES) continue;
      const says = `${row.ms} ms of its own, ${ms} ms of its minutes`;
      counts.examples.push({ session: row.session, says });
    }
  }
}
