import type { Meter, Unsettled } from '../../core/meter/commands.ts';
import type { LedgerBase, Witness } from '../../core/meter/rows.ts';
import type { Database } from '../../drizzle/client.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { loadSessionBase } from '../../drizzle/queries/load-session-base.ts';
import { groupBy } from './grouping.ts';

const MINUTE_MS = 60_000;

type OfSession = Extract<Unsettled, { kind: 'minute' | 'session' }>;
const rowOf = (item: OfSession) =>
  item.kind === 'session'
    ? { org: item.row.org, session: item.row.session, user: item.row.user }
    : { org: item.org, session: item.session, user: item.user };

/** What the minutes of a session prove: that its charged time went at least so far, by period. */
function marksOf(base: LedgerBase, items: OfSession[]): { marks: LedgerBase['marks']; ms: number } {
  const marks = [...base.marks];
  let reached = base.chargedMs;
  const minutes = items.filter((item) => item.kind === 'minute');
  minutes.sort((a, b) => a.minute - b.minute || a.period - b.period);
  let minute = -1;
  let within = 0;
  for (const item of minutes) {
    if (item.minute !== minute) within = 0;
    minute = item.minute;
    const from = minute * MINUTE_MS + within;
    within += item.ms;
    if (item.period > marks.at(-1)!.period) {
      marks.push({ period: item.period, chargedMs: Math.max(from, marks.at(-1)!.chargedMs) });
    }
    reached = Math.max(reached, from + item.ms);
  }
  return { marks, ms: reached };
}

/** The total that work of an older generation stands for. Nobody's epoch: it takes no ownership. */
function witnessOf(base: LedgerBase, items: OfSession[]): Witness {
  const own = items.find((item) => item.kind === 'session');
  const epoch = { generation: 0, counter: 0 };
  if (own !== undefined) {
    const { totalMs, overshootMs, chargedUpTo, marks } = own.row;
    return { epoch, totalMs, overshootMs, at: chargedUpTo, state: 'detached', marks };
  }
  const { marks, ms } = marksOf(base, items);
  const totalMs = ms + base.overshootMs;
  const at = base.startedAt + totalMs;
  return { epoch, totalMs, overshootMs: base.overshootMs, at, state: 'detached', marks };
}

function firstBase(items: OfSession[]): LedgerBase {
  const periods = items.map((it) => (it.kind === 'session' ? it.row.marks[0]!.period : it.period));
  const [first] = items;
  return {
    startedAt: first!.kind === 'session' ? first!.row.startedAt : first!.startedAt,
    ended: false,
    reason: '',
    overshootMs: 0,
    marks: [{ period: Math.min(...periods), chargedMs: 0 }],
    chargedMs: 0,
  };
}

/**
 * Gives work of an older generation back to the meter, as totals: it may be the last that knows of
 * them (rule 22 in core/meter/README.md). Repeats are harmless. Alerts are crossed anew by the
 * charges themselves. Answers false where the shard has to be recovered first.
 */
export async function reassert(
  { meter, db, wallMs }: { meter: Meter; db: Database; wallMs: () => number },
  items: readonly Unsettled[],
): Promise<boolean> {
  const ofSessions = items.filter((item) => item.kind !== 'alert');
  for (const mine of groupBy(ofSessions, (item) => JSON.stringify(rowOf(item))).values()) {
    const { org, session, user } = rowOf(mine[0]!);
    const base = (await loadSessionBase(db, org, session))?.base ?? firstBase(mine);
    const witness = witnessOf(base, mine);
    const ask = () =>
      meter.assert({
        org,
        session,
        user,
        witness,
        base,
        sessionLimitMs: null,
        sessionLevels: [],
        gatewayWallMs: wallMs(),
      });
    let reply = await ask();
    if (reply.status === 'unseeded') {
      const seeds = await loadSeeds(db, org, reply.budgets);
      if (seeds === null) continue;
      await meter.seed(seeds);
      reply = await ask();
    }
    // Seeds of a newer generation are not taken: the next recovery has come between.
    if (reply.status === 'recover' || reply.status === 'unseeded') return false;
  }
  return true;
}
