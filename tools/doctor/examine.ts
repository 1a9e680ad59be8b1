import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { COUNT_CHECKS, LEDGER_CHECKS } from '../../worker/ledger/check/ledger-checks.ts';
import { nextSlice } from '../../worker/ledger/check/organization-slice.ts';
import type { When } from '../../worker/ledger/check/periods.ts';
import { inSnapshot } from '../../worker/ledger/check/snapshot.ts';
import { type AccountScope, lookAtLedger, lookAtMeter } from './account-look.ts';
import { createExaminer, type Examination } from './examination.ts';
import { lookAtPassing, lookAtShards } from './passing-look.ts';
import { lookAtMigrations, lookAtPartitions, lookAtPostgres } from './postgres-look.ts';
import { lookAtQueues } from './queue-look.ts';
import { lookAtClocks, lookAtRedis } from './redis-look.ts';
import type { Stores } from './stores.ts';

/** One statement looks at so many, unless their minutes are more. */
const SLICE = { organizations: 500, minutes: 500_000 };

export interface Subject {
  org: string | null;
  user: string | null;
}

/** Whom the flags name, in slices. @throws Error when the ledger knows nobody of that name */
async function slicesOf({ database }: Stores, { org, user }: Subject): Promise<string[][]> {
  return inSnapshot(database.sql, async (tx) => {
    if (org === null && user === null) {
      const slices: string[][] = [];
      for (let after: string | null = ''; after !== null; ) {
        const slice = await nextSlice(tx, after, SLICE);
        if (slice.orgs.length > 0) slices.push(slice.orgs);
        after = slice.after;
      }
      return slices;
    }
    const rows = await tx<{ org: string }[]>`
      select id as org from organizations
      where (${org}::text is null or id = ${org}) and (${user}::text is null
        or exists (select from organization_members m where m.org = id and m.user_id = ${user})
        or exists (select from sessions s where s.org = id and s.user_id = ${user}))
      order by id`;
    if (rows.length > 0) return [rows.map((row) => row.org)];
    const who = user === null ? `organization "${org}"` : `member "${user}"`;
    throw new Error(
      `The ledger knows no ${who}${org !== null && user !== null ? ` of ${org}` : ''}.`,
    );
  });
}

async function whenOf({ database }: Stores): Promise<When> {
  const clock = await readClock(database.db);
  return { now: meterNow(clock, Date.now()), speed: clock.speed };
}

/** What can't be known without the ledger's clock is said to be unknown, look by look. */
function promised<T>(promise: Promise<T>): () => Promise<T> {
  // Whoever needs it hears of its failure; nobody may need it.
  promise.catch(() => {});
  return () => promise;
}

/** Looks at everything, stores first: what they say explains what comes after. Changes nothing. */
export async function examine(
  stores: Stores,
  subject: Subject,
  { log, say }: { log: Log; say: (line: string) => void },
): Promise<Examination> {
  const { look, examination } = createExaminer(say);
  const isAll = subject.org === null && subject.user === null;
  if (isAll) {
    await look('Redis', () => lookAtRedis(stores));
    await look('clocks', () => lookAtClocks(stores));
    await look('Postgres', () => lookAtPostgres(stores));
    await look('migrations', () => lookAtMigrations(stores));
  } else {
    await stores.redis.ready();
  }
  const when = promised(whenOf(stores));
  const slices = promised(slicesOf(stores, subject));
  if (isAll) await look('partitions', async () => lookAtPartitions(stores, (await when()).now));
  await look('shards', () => lookAtShards(stores));
  await look('queues', () => lookAtQueues(stores.redisUrl, log));
  await look('passing', () => lookAtPassing(stores));
  const scope = async (): Promise<AccountScope> => ({
    ...{ slices: await slices(), when: await when() },
    ...{ isAll, say },
  });
  await look('live counters', async () => lookAtMeter(stores, await scope()));
  for (const check of [...LEDGER_CHECKS, ...COUNT_CHECKS]) {
    await look(check.name, async () => lookAtLedger(stores, check, await scope()));
  }
  return examination;
}
