import { setTimeout as sleep } from 'node:timers/promises';
import { SHARDS, shardOf } from '../../core/meter/keys.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { createCheckRound } from '../check-round.ts';
import { createKnownFindings, type KnownFindings } from '../known-findings.ts';
import { nextCountSlice } from '../ledger/check/count-slice.ts';
import { agreed, type Finding } from '../ledger/check/finding.ts';
import { COUNT_CHECKS, LEDGER_CHECKS, type LedgerCheck } from '../ledger/check/ledger-checks.ts';
import { judgeStuck, namesOf } from '../ledger/check/meter-checks.ts';
import type { MeterReading } from '../ledger/check/meter-reading.ts';
import { nextSlice } from '../ledger/check/organization-slice.ts';
import type { When } from '../ledger/check/periods.ts';
import { lookAtShard, type ShardAsk, type ShardLook } from '../ledger/check/shard-look.ts';
import { inSnapshot } from '../ledger/check/snapshot.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { type Repeated, repeat } from '../repeat.ts';

/** Within this time every organization is looked at, unless their minutes are too many for it. */
const ROUND_MS = 60 * 60_000;
const LEAST_ORGANIZATIONS = 20;
/** Minute records one tick looks at: 0.6 s of one core of Postgres, all checks together. */
const MINUTES_A_TICK = 20_000;
/** Consumptions and usage events one tick looks at: half a second, in the same measure. */
const COUNTED_A_TICK = 20_000;
/** Of those something is wrong with, looked at again in each tick, so that a repair is seen soon. */
const AGAIN_ORGANIZATIONS = 20;
/** Between two looks that have to agree. Not a whole second: beats come in such rhythms. */
const AGAIN_MS = 1_370;
/** Fields of a shard that are remembered to the next tick, to tell what is stuck. */
const MOST_REMEMBERED = 2_000;
/** What is unsettled for so long is stuck: sweeps come every few seconds. */
const STUCK_MS = 20_000;

export interface Checked {
  /** of what two looks agree on, without its sign */
  driftMs: number;
  /** what is wrong at present, by code */
  findings: ReadonlyMap<string, number>;
  tickMs: number;
  /** how long the last whole round over all organizations took; null: none is done yet */
  roundMs: number | null;
}

export interface ReconcileOptions {
  context: LedgerContext;
  everyMs: number;
  log: Log;
  monotonicMs?: () => number;
  /** after each tick */
  measured?(checked: Checked): void;
}

/** One tick after the other; for tests without the clock between them. */
export interface Reconciler {
  tick(): Promise<Checked>;
  known: KnownFindings;
}

/**
 * The doctor's checks, all the time: each tick compares every shard's open sessions with the ledger
 * (rule 14 in core/meter/README.md), and looks at the next slice of organizations, idle ones too; of
 * pieces and costs at what counts now, in slices by their number. It only tells: what is wrong is
 * repaired by `npm run doctor -- --fix`, by somebody who has read it.
 */
export function createReconciler(options: ReconcileOptions): Reconciler {
  const { context, everyMs, log } = options;
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const known = createKnownFindings(log);
  const remembered = new Map<number, { reading: MeterReading; at: number }>();
  const ofMinutes = createCheckRound(monotonicMs);
  const ofCounts = createCheckRound(monotonicMs);

  /** The next slices; and with each those something was wrong with. */
  async function takeSlices(when: When): Promise<{ orgs: string[]; counted: string[] }> {
    return inSnapshot(context.sql, async (tx) => {
      const [row] = await tx<{ count: number }[]>`select count(*) from organizations`;
      const ticks = Math.max(1, Math.floor(ROUND_MS / everyMs));
      const organizations = Math.max(LEAST_ORGANIZATIONS, Math.ceil(row!.count / ticks));
      const again = known.orgs(AGAIN_ORGANIZATIONS);
      const orgs = await ofMinutes.take((after) =>
        nextSlice(tx, after, { organizations, minutes: MINUTES_A_TICK }),
      );
      const counted = await ofCounts.take((after) =>
        nextCountSlice(tx, after, { organizations, rows: COUNTED_A_TICK }, when),
      );
      const withAgain = (slice: string[]) => [...new Set([...slice, ...again])];
      return { orgs: withAgain(orgs), counted: withAgain(counted) };
    });
  }

  /** `area`: what the findings of these checks are known by, beside their organization. */
  async function checkLedger(
    area: 'ledger' | 'counts',
    checks: readonly LedgerCheck[],
    orgs: string[],
    when: When,
  ): Promise<void> {
    const found: Finding[] = [];
    for (const check of checks) {
      found.push(...(await inSnapshot(context.sql, (tx) => check.run(tx, orgs, when))));
    }
    const groupOf = (org: string | undefined) => `${area} ${org}`;
    known.replace(orgs.map(groupOf), found, (it) => groupOf(it.org));
  }

  /** All shards; those where something was seen once more, and what both looks saw is believed. */
  async function checkShards(asks: readonly Required<ShardAsk>[]): Promise<void> {
    const look = (shard: number) => lookAtShard(context, shard, asks[shard]).catch(nullIfPart);
    const suspicious: ShardLook[] = [];
    for (let shard = 0; shard < SHARDS; shard++) {
      const first = await look(shard);
      // Being recovered, or its server is missing: what is known of it stays.
      if (first === null) continue;
      if (first.findings.length > 0) suspicious.push(first);
      else believe(first, asks[shard]!.orgs);
    }
    if (suspicious.length > 0) await sleep(AGAIN_MS);
    for (const first of suspicious) {
      const { shard } = first.reading;
      const second = await look(shard);
      if (second === null) continue;
      const findings = agreed(first.findings, second.findings);
      believe({ ...second, findings }, asks[shard]!.orgs);
    }
  }

  function believe({ reading, judged, findings }: ShardLook, orgs: readonly string[]): void {
    const { shard } = reading;
    const before = remembered.get(shard);
    const isDue = before === undefined || monotonicMs() - before.at >= STUCK_MS;
    const stuck = before !== undefined && isDue ? judgeStuck(before.reading, reading) : null;
    if (reading.unsettled.length > MOST_REMEMBERED) remembered.delete(shard);
    else if (isDue) remembered.set(shard, { reading, at: monotonicMs() });
    const open = orgs.map((org) => `open ${org}`);
    const looked = [...judged, ...open, `silent ${shard}`];
    if (stuck !== null) looked.push(`stuck ${shard}`);
    known.replace(looked, [...findings, ...(stuck ?? [])], (it) => {
      if (it.code === 'drift') return it.subject!;
      if (it.code === 'sessionSilent') return `silent ${shard}`;
      return it.code === 'unsettledStuck' ? `stuck ${shard}` : `open ${it.org}`;
    });
  }

  async function tick(): Promise<Checked> {
    const startedAt = monotonicMs();
    const clock = await readClock(context.db);
    const { speed } = clock;
    const { orgs, counted } = await takeSlices({ now: meterNow(clock, context.wallMs()), speed });
    const names = await inSnapshot(context.sql, (tx) => namesOf(tx, orgs));
    const asks = Array.from({ length: SHARDS }, (_, shard) => ({
      ...{ names: names.get(shard) ?? [], speed },
      orgs: orgs.filter((org) => shardOf(org) === shard),
    }));
    await checkShards(asks);
    // Shards may have taken a while.
    const when = { now: meterNow(await readClock(context.db), context.wallMs()), speed };
    await checkLedger('ledger', LEDGER_CHECKS, orgs, when);
    await checkLedger('counts', COUNT_CHECKS, counted, { ...when, isPresentOnly: true });
    ofMinutes.done();
    ofCounts.done();
    const rounds = [ofMinutes.lastMs(), ofCounts.lastMs()];
    const roundMs = rounds.includes(null) ? null : Math.max(...rounds.map(Number));
    const findings = known.byCode();
    return { driftMs: known.driftMs(), findings, tickMs: monotonicMs() - startedAt, roundMs };
  }

  return { tick, known };
}

export function startReconcile(options: ReconcileOptions): Repeated {
  const reconciler = createReconciler(options);
  return repeat({
    name: 'reconcile',
    everyMs: options.everyMs,
    log: options.log,
    async run() {
      options.measured?.(await reconciler.tick());
    },
  });
}
