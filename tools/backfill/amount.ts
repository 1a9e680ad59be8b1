const UNITS = { seconds: 1_000, minutes: 60_000, ms: 1 } as const;

const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?$/;

/** A duration in whole milliseconds, or why the cell is none. */
export type Amount = { ms: number } | { problem: string; isNegative: boolean };

/** @param unit what the number counts */
export function readAmount(text: string, unit: keyof typeof UNITS): Amount {
  const value = Number(text);
  if (!NUMBER.test(text) || !Number.isFinite(value)) {
    return { problem: `"${text}" is no number of ${unit}`, isNegative: false };
  }
  if (value < 0) return { problem: `${text} ${unit} are less than none`, isNegative: true };
  const ms = Math.round(value * UNITS[unit]);
  if (!Number.isSafeInteger(ms)) return { problem: `"${text}" is too large`, isNegative: false };
  return { ms };
}
