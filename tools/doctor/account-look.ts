/** The checks that go through accounts: live counters against the ledger, and the ledger itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BudgetName } from '../../core/meter/budget-name.ts';
import { SHARDS, shardOf } from '../../core/meter/keys.ts';
import { countText } from '../../worker/ledger/check/count-text.ts';
import { agreed, type Finding } from '../../worker/ledger/check/finding.ts';
import type { LedgerCheck } from '../../worker/ledger/check/ledger-checks.ts';
import {
  judgeStuck,
  judgeUnsettledCount,
  namesOf,
} from '../../worker/ledger/check/meter-checks.ts';
import { MOST_UNSETTLED } from '../../worker/ledger/check/meter-reading.ts';
import type { When } from '../../worker/ledger/check/periods.ts';
import { lookAtShard, type ShardLook } from '../../worker/ledger/check/shard-look.ts';
import { inSnapshot } from '../../worker/ledger/check/snapshot.ts';
import type { Seen } from './examination.ts';
import type { Stores } from './stores.ts';

/** Sweeps settle what is open every three seconds; whatever is there twice so far apart is stuck. */
const AGAIN_MS = 4_130;
/** A budget that moved during a look is looked at again, so often. */
const LOOKS = 4;
const PAUSE_MS = 170;
const BACKLOG_FIELDS = 10_000;
const PROGRESS_EVERY_MS = 2_000;

export interface AccountScope {
  /** slices of organizations to look at */
  slices: readonly string[][];
  /** whether these are all there are */
  isAll: boolean;
  when: When;
  say: (line: string) => void;
}

function progressOf(say: (line: string) => void) {
  let saidAt = performance.now();
  return (line: () => string) => {
    if (performance.now() - saidAt < PROGRESS_EVERY_MS) return;
    saidAt = performance.now();
    say(line());
  };
}

/** One statement a slice, however many organizations are in it. */
export async function lookAtLedger(
  { database }: Stores,
  check: LedgerCheck,
  { slices, when, say }: AccountScope,
): Promise<Seen> {
  const progress = progressOf(say);
  const findings: Finding[] = [];
  let done = 0;
  for (const orgs of slices) {
    findings.push(...(await inSnapshot(database.sql, (tx) => check.run(tx, orgs, when))));
    done += orgs.length;
    progress(() => `  ${check.name}: ${countText(done, 'organization')} done`);
  }
  return { looked: `${check.what} of ${countText(done, 'organization')}`, findings };
}

interface ShardsSeen {
  looks: Map<number, ShardLook>;
  findings: Finding[];
  /** fields in all unsettled sets, as counted from outside */
  fields: number;
  moving: number;
}

async function lookOnce(
  stores: Stores,
  asks: Map<number, Ask>,
  speed: number,
): Promise<ShardsSeen> {
  const context = { meter: stores.meter, sql: stores.database.sql };
  const seen: ShardsSeen = { looks: new Map(), findings: [], fields: 0, moving: 0 };
  for (const [shard, ask] of asks) {
    const { redis, key } = stores.unsettledOf(shard);
    const before = await redis.hlen(key);
    let look = await lookAtShard(context, shard, { ...ask, speed });
    for (let i = 1; i < LOOKS && look && look.judged.length < look.reading.budgets.length; i++) {
      await sleep(PAUSE_MS);
      look = await lookAtShard(context, shard, { ...ask, speed });
    }
    // The look at the shards says that it has to be recovered.
    if (look === null && before < MOST_UNSETTLED) continue;
    if (look === null) throw new Error(`shard ${shard} has ${before} unsettled fields`);
    seen.looks.set(shard, look);
    seen.findings.push(...look.findings);
    const fields = Math.min(before, await redis.hlen(key));
    seen.fields += fields;
    seen.findings.push(...judgeUnsettledCount(look.reading, fields, BACKLOG_FIELDS));
    seen.moving += look.reading.budgets.length - look.judged.length;
  }
  return seen;
}

interface Ask {
  names: BudgetName[];
  orgs: string[];
}

async function asksOf(stores: Stores, { slices, isAll }: AccountScope): Promise<Map<number, Ask>> {
  const asks = new Map<number, Ask>();
  const of = (shard: number) => {
    const ask = asks.get(shard) ?? { names: [], orgs: [] };
    asks.set(shard, ask);
    return ask;
  };
  // Everything: shards without any organization of the ledger may hold something all the same.
  if (isAll) for (let shard = 0; shard < SHARDS; shard++) of(shard);
  for (const orgs of slices) {
    for (const org of orgs) of(shardOf(org)).orgs.push(org);
    const names = await inSnapshot(stores.database.sql, (tx) => namesOf(tx, orgs));
    for (const [shard, mine] of names) for (const name of mine) of(shard).names.push(name);
  }
  return asks;
}

/** Twice, where the first look saw anything: a finding is what both saw (rule 14). */
export async function lookAtMeter(stores: Stores, scope: AccountScope): Promise<Seen> {
  const { speed } = scope.when;
  const asks = await asksOf(stores, scope);
  const first = await lookOnce(stores, asks, speed);
  let { findings, looks, fields, moving } = first;
  const open = [...looks.values()].some((look) => look.reading.unsettled.length > 0);
  if (findings.length > 0 || open) {
    scope.say(`  something is open: looking again in ${AGAIN_MS / 1000} s ...`);
    await sleep(AGAIN_MS);
    const again = await lookOnce(stores, asks, speed);
    const stuck = [...again.looks].flatMap(([shard, look]) => {
      const before = looks.get(shard);
      return before === undefined ? [] : judgeStuck(before.reading, look.reading);
    });
    findings = [...agreed(first.findings, again.findings), ...stuck];
    ({ looks, fields, moving } = again);
  }
  const orgs = new Set(scope.slices.flat());
  const mine = findings.filter((it) => scope.isAll || it.org === undefined || orgs.has(it.org));
  const readings = [...looks.values()].map((look) => look.reading);
  const budgets = readings.reduce((sum, it) => sum + it.budgets.length, 0);
  const live = readings.reduce((sum, it) => sum + it.live.length, 0);
  const moved = moving === 0 ? '' : `, ${moving} of them moved all the while and were not judged`;
  const looked = `${countText(budgets, 'live counter')} in ${looks.size} of ${countText(asks.size, 'shard')}${moved}; ${countText(live, 'open session')}, ${countText(fields, 'unsettled field')}`;
  return { looked, findings: mine };
}
