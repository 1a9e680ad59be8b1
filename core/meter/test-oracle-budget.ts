/** What must be true of a budget's row, and between two rows with one command between them. */
import type { BudgetRow } from './rows.ts';
import { LimitMode } from './rows.ts';

export class Violation extends Error {
  override name = 'Violation';
}
export function demand(holds: boolean, what: string, ...seen: unknown[]): asserts holds {
  if (!holds) throw new Violation(`${what}\n${seen.map((one) => JSON.stringify(one)).join('\n')}`);
}

/** Sums, and what is left by the figures that the row itself shows. */
export function checkBudget(row: BudgetRow): void {
  const { usedMs, planMs, extraMs, overageMs, quotaMs, mode, remainingMs } = row;
  demand(planMs + extraMs + overageMs === usedMs, 'plan + extra + overage = used', row);
  demand(Math.min(planMs, extraMs, overageMs) >= 0, 'no part is negative', row);
  if (quotaMs === null || mode === LimitMode.shadow) {
    demand(remainingMs === null, 'unlimited', row);
  } else if (mode === LimitMode.stop) {
    const leftMs = Math.max(0, quotaMs - planMs) + row.extraRemainingMs;
    demand(remainingMs === leftMs, `${leftMs} ms are left`, row);
  }
}

/** One command that is not about limits: never past a limit, plan first, extra next. */
export function checkDraws(before: BudgetRow, after: BudgetRow): void {
  const usedMs = after.usedMs - before.usedMs;
  demand(usedMs >= 0, 'used never falls', before, after);
  const leftMs = before.remainingMs ?? Number.POSITIVE_INFINITY;
  demand(usedMs <= leftMs, `never past a limit: ${usedMs} of ${leftMs}`, before, after);
  const extraMs = after.extraMs - before.extraMs;
  const overageMs = after.overageMs - before.overageMs;
  const quotaMs = after.quotaMs ?? Number.POSITIVE_INFINITY;
  if (extraMs > 0 || overageMs > 0) {
    demand(after.planMs >= quotaMs, 'plan before extra before overage', before, after);
  }
  if (overageMs > 0) {
    demand(after.extraRemainingMs === 0, 'extra before overage', before, after);
    demand(after.mode !== LimitMode.stop, 'no overage where the limit stops', before, after);
  }
}

/** A level is crossed once a version; only a change of limits withdraws it. */
export function checkNote(
  told: Set<string>,
  generation: number,
  command: string,
  before: BudgetRow,
  after: BudgetRow,
): void {
  after.levels.forEach((level, i) => {
    const at = before.levels.indexOf(level);
    const [old, version] = [at < 0 ? 0 : (before.crossed[at] ?? 0), after.crossed[i] ?? 0];
    if (version === old) return;
    if (version === 0) {
      const isLimit = command === 'seed' || command === 'extend';
      demand(isLimit, 'only a limit withdraws a crossing', before, after);
      return;
    }
    demand(version === after.version, 'a crossing is of the present version', before, after);
    const id = `${generation}|${after.name}|${level}|${version}`;
    demand(!told.has(id), 'a level is crossed once a version', id, before, after);
    told.add(id);
  });
}

/** After a charge every level that holds is crossed: at equality, too, and two in one step both. */
export function checkLevels(before: BudgetRow, after: BudgetRow, now: number): void {
  if (after.usedMs === before.usedMs) return;
  const { quotaMs, planMs, remainingMs, usedMs } = after;
  // What the next period draws in the same command leaves less here, which is no news once it is over.
  const isOver = after.endsAt !== null && now >= after.endsAt;
  after.levels.forEach((level, i) => {
    const percent = level > 0 && quotaMs !== null && planMs * 100 >= level * quotaMs;
    const isLow = level < 0 && !isOver && remainingMs !== null && remainingMs <= -level;
    const isArmed = level > 0 || -level < usedMs + (remainingMs ?? 0);
    const isCrossed = (after.crossed[i] ?? 0) > 0;
    demand(isCrossed || !(percent || (isLow && isArmed)), `level ${level} holds`, before, after);
  });
}

/** A stop for the limit: nothing is left, or by the sessions that gave a sign nothing would be. */
export function checkStop(
  before: BudgetRow,
  after: BudgetRow,
  now: number,
  silent: { count: number; frontierSumMs: number },
): void {
  if (after.stops === before.stops || after.stopReason !== 'limitReached') return;
  demand(after.endsAt === null || now < after.endsAt, 'no stop after its end', before, after);
  if (after.remainingMs === 0) return;
  const { remainingMs, startsAt } = before;
  const burnRate = before.burnRate - silent.count;
  const frontierSumMs = before.frontierSumMs - silent.frontierSumMs;
  const projectedMs = burnRate * (now - startsAt);
  const isDue = remainingMs !== null && remainingMs + frontierSumMs <= projectedMs;
  demand(burnRate > 0 && isDue, 'a stop rests on a projection that stands', before, after);
}
