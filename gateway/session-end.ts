/** How a session ended, as its recorder is told: in `ended`, or when it comes back and it is over. */
import type { LedgerBase, SessionRow } from '../core/meter/rows.ts';
import type { EndReason, SessionEnd } from '../core/protocol/messages.ts';

/** Of a session that has ended, as the meter has it. */
export function endOfRow(row: SessionRow): SessionEnd {
  const { totalMs, overshootMs, bySource, startedAt, endedAt } = row;
  return {
    reason: reasonOf(row.reason),
    summary: { recordedMs: totalMs, overshootMs, bySource, startedAt, endedAt },
  };
}

/** Of a session that the ledger has all of, and the meter has let go. `endedAt`: meter instant. */
export function endOfBase(base: LedgerBase, endedAt: number): SessionEnd {
  const { chargedMs, overshootMs, startedAt } = base;
  const bySource = base.bySource ?? { planMs: 0, extraMs: 0, overageMs: 0 };
  return {
    reason: reasonOf(base.reason),
    summary: { recordedMs: chargedMs + overshootMs, overshootMs, bySource, startedAt, endedAt },
  };
}

function reasonOf(reason: string): EndReason {
  return (reason || 'stopped') as EndReason;
}
