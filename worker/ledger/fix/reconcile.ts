import { setTimeout as sleep } from 'node:timers/promises';
import { shardOf } from '../../../core/meter/keys.ts';
import { meterNow, readClock } from '../../../drizzle/queries/clock.ts';
import { agreed, type Finding } from '../check/finding.ts';
import { COUNT_CHECKS, LEDGER_CHECKS } from '../check/ledger-checks.ts';
import { namesOf } from '../check/meter-checks.ts';
import { lookAtShard, type ShardLook } from '../check/shard-look.ts';
import { inSnapshot } from '../check/snapshot.ts';
import type { LedgerContext } from '../settle.ts';
import { planLedgerFix } from './plan.ts';
import type { LedgerFix } from './step.ts';

/** Between two looks that have to agree (rule 14 in core/meter/README.md). */
const AGAIN_MS = 730;
/** A budget that moved during a look, or a shard that is being recovered, is looked at again. */
const LOOKS = 20;
const PAUSE_MS = 170;
/** A recovery takes two seconds, more with a million sessions. */
const RECOVERY_PATIENCE_MS = 15_000;

export interface Seen {
  code: string;
  subject: string | null;
  says: string;
  figures: Finding['figures'];
}

export interface ReconcileResult {
  /** meter instant */
  at: number;
  /** what was wrong */
  found: Seen[];
  /** what was done about it */
  changed: { title: string; codes: string[]; says: string }[];
  /** what is wrong still: nobody but a person repairs that */
  left: Seen[];
  isWell: boolean;
}

const seen = ({ code, subject, says, figures }: Finding): Seen => ({
  ...{ code, subject: subject ?? null, says, figures },
});

async function lookAtMeter(context: LedgerContext, org: string): Promise<ShardLook> {
  const shard = shardOf(org);
  const { speed } = await readClock(context.db);
  const names = await inSnapshot(context.sql, (tx) => namesOf(tx, [org]));
  const ask = { names: names.get(shard) ?? [], orgs: [org], speed };
  for (let i = 0; i < LOOKS; i++) {
    const look = await lookAtShard(context, shard, ask);
    // What nobody could stand still for is looked at once more, and then left unjudged.
    const isWhole = look !== null && look.judged.length === look.reading.budgets.length;
    if (isWhole || (look !== null && i >= LOOKS / 4)) return look;
    await sleep(PAUSE_MS);
  }
  throw new Error(`Shard ${shard} waits for its recovery: is Redis away?`);
}

/** All that is wrong with one organization, in the ledger and between it and the live counters. */
async function examine(context: LedgerContext, org: string): Promise<Finding[]> {
  const first = await lookAtMeter(context, org);
  let live = first.findings;
  if (live.length > 0) {
    await sleep(AGAIN_MS);
    live = agreed(live, (await lookAtMeter(context, org)).findings);
  }
  const clock = await readClock(context.db);
  const when = { now: meterNow(clock, context.wallMs()), speed: clock.speed };
  const ledger: Finding[] = [];
  for (const check of [...LEDGER_CHECKS, ...COUNT_CHECKS]) {
    ledger.push(...(await inSnapshot(context.sql, (tx) => check.run(tx, [org], when))));
  }
  return [...live.filter((it) => it.org === org), ...ledger];
}

/** Until what was asked for is done; what is not by then is found by the look that follows. */
async function waitForRecovery({ sql }: LedgerContext, shard: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < RECOVERY_PATIENCE_MS; waitedMs += PAUSE_MS) {
    const [row] = await sql<{ done: boolean }[]>`
      select recovered_generation = generation as done from shards where shard = ${shard}`;
    if (row!.done) return;
    await sleep(PAUSE_MS);
  }
}

/**
 * Compares an organization's derived sums and live counters with its minutes, repairs as
 * `npm run doctor -- --fix` does, and looks again. Writes no minute or burn, and no lot that is there.
 * @throws when Redis or Postgres can't be asked
 */
export async function reconcileOrganization(
  context: LedgerContext,
  org: string,
  actor: string,
): Promise<ReconcileResult> {
  const { sql, db } = context;
  const found = await examine(context, org);
  const fix: LedgerFix = { sql, db, actor, area: 'reconcile' };
  const changed: ReconcileResult['changed'] = [];
  for (const { title, codes, run } of planLedgerFix(fix, found)) {
    const says = await run();
    if (says !== null) changed.push({ title, codes, says });
  }
  if (changed.length > 0) await waitForRecovery(context, shardOf(org));
  const left = changed.length > 0 ? await examine(context, org) : found;
  const at = Math.floor(meterNow(await readClock(db), context.wallMs()));
  const isWell = left.every((it) => it.severity === 'note');
  return { at, found: found.map(seen), changed, left: left.map(seen), isWell };
}
