import type { DatabaseConnection } from '../../drizzle/client.ts';
import { countText } from '../../worker/ledger/check/count-text.ts';
import { nextSlice } from '../../worker/ledger/check/organization-slice.ts';
import { inSnapshot } from '../../worker/ledger/check/snapshot.ts';
import { findDerived, rebuildOrganization } from '../../worker/ledger/fix/rebuild.ts';

/** One statement looks at so many, unless their minutes are more. */
const SLICE = { organizations: 500, minutes: 500_000 };

export interface Difference {
  org: string;
  /** `rebuild.months`: what of it, as the audit log names it */
  action: string;
  rows: number;
}

export interface RebuildReport {
  /** that were looked at */
  organizations: number;
  /** minute records they have, as their months say */
  minutes: number;
  /** what was not equal to the minutes */
  differences: Difference[];
  /** rows that were put right */
  rebuilt: number;
  isDryRun: boolean;
  tookMs: number;
}

export interface RebuildContext {
  database: DatabaseConnection;
  actor: string;
  say: (line: string) => void;
}

async function* slices(
  { database }: RebuildContext,
  org: string | null,
): AsyncGenerator<{ orgs: string[]; minutes: number }> {
  if (org !== null) {
    const [known] = await database.sql<{ minutes: number }[]>`
      select (select coalesce(sum(c.minutes), 0)::bigint from monthly_usage_cache c
        where c.org = o.id) as minutes from organizations o where o.id = ${org}`;
    if (known === undefined) throw new Error(`The ledger knows no organization "${org}".`);
    yield { orgs: [org], minutes: known.minutes };
    return;
  }
  for (let after: string | null = ''; after !== null; ) {
    const slice = await inSnapshot(database.sql, (tx) => nextSlice(tx, after!, SLICE));
    if (slice.orgs.length > 0) yield slice;
    after = slice.after;
  }
}

/**
 * Compares all that is derived with the minutes, and counts of pieces and costs with what they count,
 * slice by slice, and rebuilds it where it differs. A difference that was seen is looked at again under
 * the lock, where nobody settles or counts: what was written meanwhile is none.
 */
export async function runRebuild(
  context: RebuildContext,
  { org, isDryRun }: { org: string | null; isDryRun: boolean },
): Promise<RebuildReport> {
  const { database, actor, say } = context;
  const startedAt = performance.now();
  const report: RebuildReport = {
    ...{ organizations: 0, minutes: 0, differences: [], rebuilt: 0 },
    ...{ isDryRun, tookMs: 0 },
  };
  for await (const { orgs, minutes } of slices(context, org)) {
    const found = await inSnapshot(database.sql, (tx) => findDerived(tx, orgs));
    report.organizations += orgs.length;
    report.minutes += minutes;
    if (isDryRun) report.differences.push(...found);
    else {
      for (const one of new Set(found.map((it) => it.org))) {
        const fix = { sql: database.sql, db: database.db, actor, area: 'operator' as const };
        const done = await rebuildOrganization(fix, one);
        report.differences.push(...done.map((it) => ({ org: one, ...it })));
        report.rebuilt += done.reduce((sum, it) => sum + it.rows, 0);
        if (done.length > 0) say(`${one}: ${done.map((it) => it.action).join(', ')}`);
      }
    }
    say(`${countText(report.organizations, 'organization')} done`);
  }
  report.tookMs = Math.round(performance.now() - startedAt);
  return report;
}
