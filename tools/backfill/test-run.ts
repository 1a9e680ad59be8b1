/** Runs an import in a test, and looks at what became of it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../drizzle/client.ts';
import type { TestLedger } from '../../worker/ledger/test-look.ts';
import type { Kind } from './columns.ts';
import { openSource } from './open-source.ts';
import { type BackfillOptions, type BackfillReport, backfill } from './run.ts';

export interface RunOptions extends Partial<BackfillOptions> {
  /** ends the run at the so-manyth point at which it could be killed */
  cutAfter?: number;
}

/** The run was ended where the test said. */
export class Cut extends Error {}

/** Writes CSV files by kind into a folder of their own, and answers their paths. */
export function writeSource(files: Partial<Record<Kind, string>>): {
  folder: string;
  tables: Map<Kind, string>;
} {
  const folder = mkdtempSync(join(tmpdir(), 'backfill-'));
  const tables = new Map<Kind, string>();
  for (const [kind, text] of Object.entries(files) as [Kind, string][]) {
    const path = join(folder, `my-${kind}.csv`);
    writeFileSync(path, text);
    tables.set(kind, path);
  }
  return { folder, tables };
}

/** With connections of its own, as the command has them. */
export async function importInto(
  ledger: Pick<TestLedger, 'database' | 'now'>,
  from: string,
  tables: Map<Kind, string>,
  { cutAfter = Number.POSITIVE_INFINITY, ...options }: RunOptions = {},
): Promise<BackfillReport> {
  const isDryRun = options.isDryRun === true;
  const connections = isDryRun ? 1 : 3;
  const connection = connect(ledger.database.url, { connections, scope: 'worker' });
  const source = await openSource({ from, tables });
  let points = 0;
  try {
    const wallMs = () => ledger.now;
    const checkpoint = () => {
      points += 1;
      if (points > cutAfter) throw new Cut(`cut after ${cutAfter}`);
    };
    return await backfill(
      { connection, source, say: () => {}, actor: 'backfill:test', wallMs, checkpoint },
      {
        ...{ maps: {}, zone: 'UTC', org: null, plan: null, until: null, rejects: null },
        recoveryPatienceMs: 0,
        ...options,
        isDryRun,
      },
    );
  } finally {
    await source.stop();
    await connection.stop();
  }
}

/** Digest of every table, by name. `besides`: those that a run may write. */
export async function digestOf(
  ledger: Pick<TestLedger, 'database'>,
  besides: string[] = [],
): Promise<Record<string, string>> {
  const owner = connect(ledger.database.adminUrl, { scope: 'installation', connections: 1 });
  try {
    const tables = await owner.sql<{ name: string }[]>`
      select relname as name from pg_class
      where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`;
    const digests: Record<string, string> = {};
    for (const { name } of tables) {
      if (besides.includes(name)) continue;
      const [row] = await owner.sql.unsafe<{ digest: string }[]>(
        `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as digest
         from "${name}" t`,
      );
      digests[name] = row!.digest;
    }
    return digests;
  } finally {
    await owner.stop();
  }
}

/** "org user 2026-05" to ms, from the minutes of imported sessions. */
export async function importedSums(
  { connection }: TestLedger,
  orgs: string[],
): Promise<Map<string, number>> {
  const rows = await connection.sql<{ key: string; ms: number }[]>`
    select u.org || ' ' || u.user_id || ' ' || to_char(u.day, 'YYYY-MM') as key, sum(u.ms)::bigint as ms
    from usage_tracking u join sessions s on s.org = u.org and s.id = u.session
    where u.org = any(${orgs}) and s.reason = 'imported' group by 1`;
  return new Map(rows.map((it) => [it.key, it.ms]));
}

export const sorted = (map: ReadonlyMap<string, number>) =>
  Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
