/** What must be true of the books once every session has ended and everything has settled. */
import { organizationBudget } from '../../core/meter/budget-name.ts';
import { shardOf } from '../../core/meter/keys.ts';
import { LimitMode } from '../../core/meter/rows.ts';
import { type Books, minutesOf, ORG } from './test-books.ts';
import type { BooksRun } from './test-books-run.ts';

const sum = <T>(items: Iterable<T>, of: (item: T) => number) => {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
};

/** Sentences that say what is wrong; none when all is well. */
export async function auditBooks(run: BooksRun): Promise<string[]> {
  const problems: string[] = [];
  const demand = (holds: boolean, what: string, ...seen: unknown[]) => {
    if (!holds) problems.push(`${what}: ${JSON.stringify(seen)}`);
  };
  const { books, model } = run;
  const pending = await model.pending(shardOf(ORG), { limit: 1_000 });
  demand(pending.status === 'ok' && pending.items.length === 0, 'something waits still', pending);
  for (const [id, toldMs] of run.told) auditSession(books, id, toldMs, demand);
  auditPeriods(run, demand);
  auditLots(books, demand);
  if (books.quotaMs === null) {
    const found = new Map<string, number>();
    for (const it of books.minutes.values()) {
      const key = `${it.session}|${it.period}`;
      found.set(key, (found.get(key) ?? 0) + it.ms);
    }
    const texts = [found, run.placed].map((of) => JSON.stringify([...of].sort()));
    demand(texts[0] === texts[1], 'a second lies in the wrong period', ...texts);
  }
  for (const { period, usedMs, planMs, extraMs, overageMs } of books.periods.values()) {
    const reply = await model.readBudgets(ORG, [organizationBudget(ORG, period)]);
    const row = reply.status === 'ok' ? reply.budgets[0] : undefined;
    if (row === undefined) continue;
    const live = [row.usedMs, row.planMs, row.extraMs, row.overageMs];
    const settled = [usedMs, planMs, extraMs, overageMs];
    demand(String(live) === String(settled), 'the meter splits otherwise', live, settled);
  }
  return problems;
}

type Demand = (holds: boolean, what: string, ...seen: unknown[]) => void;

/** Acknowledged = charged + overshoot, charged = its minutes; those are dense, all but the last full. */
function auditSession(books: Books, id: string, toldMs: number, demand: Demand): void {
  const mine = minutesOf(books, id);
  const known = books.sessions.get(`${ORG}|${id}`);
  const chargedMs = sum(mine, (it) => it.ms);
  demand(known?.endedAt != null, `${id} has not ended`, known);
  demand(known?.recordedMs === toldMs, `${id} was told ${toldMs} ms`, known);
  demand(
    chargedMs + (known?.overshootMs ?? 0) === toldMs,
    `${id}: ${chargedMs} of ${toldMs}`,
    known,
  );
  const last = mine.at(-1)?.minute ?? -1;
  for (let minute = 0; minute < last; minute++) {
    const ms = sum(
      mine.filter((it) => it.minute === minute),
      (it) => it.ms,
    );
    demand(ms === 60_000, `minute ${minute} of ${id} has ${ms} ms`, mine);
  }
  for (const it of mine) {
    const parts = it.planMs + it.extraMs + it.overageMs;
    demand(parts === it.ms, `minute ${it.minute} of ${id} is split into ${parts} ms`, it);
  }
}

function auditPeriods({ books, raised, mayOwe }: BooksRun, demand: Demand): void {
  for (const row of books.periods.values()) {
    const mine = [...books.minutes.values()].filter((it) => it.period === row.period);
    demand(sum(mine, (it) => it.ms) === row.usedMs, 'a period is not the sum of its minutes', row);
    const { usedMs, planMs, extraMs, overageMs, quotaMs, mode, overageCapMs } = row;
    demand(planMs + extraMs + overageMs === usedMs, 'plan + extra + overage = used', row);
    if (quotaMs !== null && !raised) {
      demand(planMs === Math.min(usedMs, quotaMs), 'plan comes first', row);
    }
    const billableMs = sum(mine, (it) => it.billableMs);
    const debtMs = sum(mine, (it) => it.debtMs);
    demand(billableMs + debtMs === overageMs, 'overage is billed or owed', row, billableMs, debtMs);
    if (mode === LimitMode.overage) {
      demand(billableMs <= (overageCapMs ?? overageMs), 'no more is billed than the cap', row);
    }
    // Nothing is charged while nothing remains, so nobody owes anything. But where the plan bills up
    // to a cap, late time of the month before takes the lots that this one's had counted on.
    const hasNeighbour = books.periods.size > 1 && overageCapMs !== null && mode !== LimitMode.stop;
    demand(debtMs === 0 || hasNeighbour || mayOwe, 'nobody owes anything', row);
  }
}

/** First in, first out; their use is the extra of the ledger. */
function auditLots(books: Books, demand: Demand): void {
  const extraMs = sum(books.periods.values(), (it) => it.extraMs);
  demand(sum(books.lots, (it) => it.usedMs) === extraMs, 'lots are what was drawn', books.lots);
  const firstWithRest = books.lots.findIndex((it) => it.usedMs < it.grantedMs);
  for (const [i, lot] of books.lots.entries()) {
    demand(lot.usedMs >= 0 && lot.usedMs <= lot.grantedMs, 'a lot has no more than it has', lot);
    if (firstWithRest >= 0 && i > firstWithRest) {
      demand(lot.usedMs === 0, 'a lot waits for those before it', books.lots);
    }
  }
}
