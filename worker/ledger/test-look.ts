/** What a worker does after the ledger was changed beside the meter, and what a doctor then finds. */
import { shardOf } from '../../core/meter/keys.ts';
import { recover } from '../recovery/recover.ts';
import type { TestLedger } from '../test-ledger.ts';
import type { Finding } from './check/finding.ts';
import { LEDGER_CHECKS } from './check/ledger-checks.ts';
import { namesOf } from './check/meter-checks.ts';
import { lookAtShard } from './check/shard-look.ts';
import { inSnapshot } from './check/snapshot.ts';

// Tests of tools reach the ledger, and what they try it on, from here.
export {
  createTestLedger,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';

/** Recovers the shards that need it, and looks at these organizations by every check there is. */
export async function findingsOf(ledger: TestLedger, orgs: string[]): Promise<Finding[]> {
  const shards = [...new Set(orgs.map((org) => shardOf(org)))];
  await recover(ledger.context, shards);
  const when = { now: ledger.now, speed: 1 };
  const found: Finding[] = [];
  const { sql } = ledger.connection;
  for (const check of LEDGER_CHECKS) {
    found.push(...(await inSnapshot(sql, (tx) => check.run(tx, orgs, when))));
  }
  const names = await inSnapshot(sql, (tx) => namesOf(tx, orgs));
  for (const shard of shards) {
    const asked = names.get(shard) ?? [];
    const look = await lookAtShard({ meter: ledger.meter, sql }, shard, { names: asked });
    found.push(...look!.findings);
  }
  return found;
}
