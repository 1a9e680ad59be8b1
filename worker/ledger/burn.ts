import { LimitMode } from '../../core/meter/rows.ts';

/** What a minute grew by since it was last settled. */
export interface Growth {
  /** start of the period it belongs to */
  period: number;
  ms: number;
}

/** Limits of a period, and what is settled of it so far. */
export interface BurnPeriod {
  /** null = unlimited */
  quotaMs: number | null;
  mode: LimitMode;
  /** null = no cap */
  overageCapMs: number | null;
  planMs: number;
  overageMs: number;
}

export interface Lot {
  purchase: string;
  /** what is left of it; above 0 */
  leftMs: number;
}

/** Where a growth was drawn from. `billableMs` and `debtMs` are parts of `overageMs`. */
export interface Split {
  planMs: number;
  extraMs: number;
  overageMs: number;
  billableMs: number;
  debtMs: number;
  lots: { purchase: string; ms: number }[];
}

/** Of what neither plan nor lots covered: what the plan bills, and what nobody pays. */
function splitOverage(period: BurnPeriod, ms: number): { billableMs: number; debtMs: number } {
  if (period.mode === LimitMode.shadow) return { billableMs: 0, debtMs: 0 };
  if (period.mode === LimitMode.stop) return { billableMs: 0, debtMs: ms };
  const cap = period.overageCapMs ?? Number.POSITIVE_INFINITY;
  const billableMs = Math.min(ms, Math.max(0, cap - period.overageMs));
  return { billableMs, debtMs: ms - billableMs };
}

/**
 * Splits an organization's growths, in the order given, by the burn order of README.md: plan, then
 * lots in the order given, then overage. Answers a split for each; changes none of its arguments.
 * @throws when a growth names a period that is not given
 */
export function burn(
  growths: readonly Growth[],
  periods: ReadonlyMap<number, BurnPeriod>,
  lots: readonly Lot[],
): Split[] {
  const state = new Map([...periods].map(([start, period]) => [start, { ...period }]));
  const left = lots.map((lot) => ({ ...lot }));
  let first = 0;

  return growths.map(({ period: start, ms }) => {
    const period = state.get(start);
    if (period === undefined) throw new Error(`No limits are known of the period from ${start}.`);
    const room = period.quotaMs === null ? ms : Math.max(0, period.quotaMs - period.planMs);
    const planMs = Math.min(ms, room);
    let rest = ms - planMs;
    const burnt: Split['lots'] = [];
    for (let lot = left[first]; rest > 0 && lot !== undefined; lot = left[first]) {
      const part = Math.min(rest, lot.leftMs);
      if (part > 0) burnt.push({ purchase: lot.purchase, ms: part });
      lot.leftMs -= part;
      rest -= part;
      if (lot.leftMs === 0) first += 1;
    }
    const split = {
      planMs,
      extraMs: ms - planMs - rest,
      overageMs: rest,
      ...splitOverage(period, rest),
      lots: burnt,
    };
    period.planMs += planMs;
    period.overageMs += rest;
    return split;
  });
}
