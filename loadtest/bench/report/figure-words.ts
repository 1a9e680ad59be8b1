/** A figure as a person reads it. */
import type { Figure } from '../outcome.ts';

function amount(value: number, { unit }: Figure): string {
  if (unit === '×') return value.toFixed(2);
  if (unit === 'count') return value.toFixed(0);
  if (unit === 'KB') return `${value.toFixed(2)} KB`;
  return `${value.toFixed(Math.abs(value) < 10 ? 2 : 1)} ms`;
}

export function valueWords(figure: Figure): string {
  return figure.value === null ? '–' : amount(figure.value, figure);
}

export function targetWords(figure: Figure): string {
  const { limit, atLeast } = figure;
  return limit === null ? '–' : `${atLeast ? '≥' : '≤'} ${amount(limit, figure)}`;
}

/** From the lowest round to the highest. */
export function spreadWords(figure: Figure): string {
  const { rounds } = figure;
  if (rounds.length < 2) return '–';
  return `${amount(Math.min(...rounds), figure)} – ${amount(Math.max(...rounds), figure)}`;
}
