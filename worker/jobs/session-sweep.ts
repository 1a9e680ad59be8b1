import { SHARDS } from '../../core/meter/keys.ts';
import type { SessionRow } from '../../core/meter/rows.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import { openLeases } from '../../drizzle/queries/open-leases.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import type { ShardSettler } from '../ledger/shard-settler.ts';
import { type Repeated, repeat } from '../repeat.ts';

export interface SweepWindows {
  /** without a word for this long, a session is over */
  resumeWindowMs: number;
  /** a paused one that answers lives this long */
  maxPauseMs: number;
}

export interface SessionSweep {
  /** Looks at all sessions once. Answers how many it ended. */
  look(): Promise<number>;
}

interface Seen {
  totalMs: number;
  lastAnswerAt: number;
  /** monotonic: since when nothing has changed */
  silentSince: number;
  /** monotonic: since when it is paused at this total; null: it is not */
  pausedSince: number | null;
}

/**
 * Ends sessions that died: rule 17 in core/meter/README.md. Two looks a window apart on this
 * process' own monotonic clock must see the same total and the same last answer, and the script
 * that ends looks once more; so neither a stepped clock nor a slow sweeper ends what lives.
 */
export function createSessionSweep(options: {
  context: LedgerContext;
  settler: Pick<ShardSettler, 'settle'>;
  windows: SweepWindows;
  monotonicMs: () => number;
}): SessionSweep {
  const { context, settler, windows, monotonicMs } = options;
  const seen = new Map<string, Seen>();

  function observe(key: string, row: SessionRow, at: number): Seen {
    const before = seen.get(key);
    const isSilent = before?.totalMs === row.totalMs && before.lastAnswerAt === row.lastAnswerAt;
    const isStill = before?.totalMs === row.totalMs && row.state === 'paused';
    const now: Seen = {
      totalMs: row.totalMs,
      lastAnswerAt: row.lastAnswerAt,
      silentSince: isSilent ? before.silentSince : at,
      pausedSince: row.state === 'paused' ? ((isStill ? before.pausedSince : null) ?? at) : null,
    };
    seen.set(key, now);
    return now;
  }

  /** `leaseMs`: of a session without a socket, which is silent between its totals. */
  function reasonToEnd(it: Seen, at: number, leaseMs: number | undefined): string | null {
    const silentMs = at - it.silentSince;
    if (leaseMs !== undefined) return silentMs >= leaseMs ? 'leaseLapsed' : null;
    if (silentMs >= windows.resumeWindowMs) return 'disconnected';
    if (it.pausedSince === null) return null;
    return at - it.pausedSince >= windows.maxPauseMs ? 'pausedTooLong' : null;
  }

  async function end(shard: number, row: SessionRow, reason: string): Promise<boolean> {
    const reply = await context.meter.close({
      org: row.org,
      session: row.session,
      reason,
      by: { sweep: { totalMs: row.totalMs, lastAnswerAt: row.lastAnswerAt } },
      gatewayWallMs: context.wallMs(),
    });
    if (reply.status !== 'ended') return false;
    const { org, session, totalMs } = reply.session;
    context.log.info({ org, session, totalMs, reason }, 'a session without a sign of life ended');
    if (reply.minutes.length > 0) await settler.settle(shard, reply.minutes);
    return true;
  }

  return {
    async look() {
      const present = new Set<string>();
      let ended = 0;
      // Without Postgres nothing can be settled either: then nobody is ended.
      const leases = await openLeases(context.db);
      for (let shard = 0; shard < SHARDS; shard++) {
        const reply = await context.meter.shardSessions(shard).catch(nullIfPart);
        // Being recovered: its sessions come back with new answers.
        if (reply === null || reply.status === 'recover') continue;
        const at = monotonicMs();
        for (const row of reply.sessions) {
          const key = `${row.org}|${row.session}`;
          present.add(key);
          const reason = reasonToEnd(observe(key, row, at), at, leases.get(key));
          if (reason !== null && (await end(shard, row, reason))) ended += 1;
        }
      }
      for (const key of seen.keys()) if (!present.has(key)) seen.delete(key);
      return ended;
    },
  };
}

export function startSessionSweep(sweep: SessionSweep, everyMs: number, log: Log): Repeated {
  return repeat({
    name: 'session-sweep',
    everyMs,
    log,
    async run() {
      await sweep.look();
    },
  });
}
