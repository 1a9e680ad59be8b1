/** Figures as a person reads them. */
export function ms(value: number | null | undefined, digits = 1): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return `${value.toFixed(digits)} ms`;
}

const UNITS: readonly [number, string][] = [
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** A length of time with two digits behind the point of its largest unit. */
export function duration(valueMs: number): string {
  const [unitMs, name] = UNITS.find(([it]) => Math.abs(valueMs) >= it) ?? [1, 'ms'];
  return `${(valueMs / unitMs).toFixed(unitMs === 1 ? 0 : 2)} ${name}`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** 1234567 -> 1,234,567 */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** What a level is called: `80 %`, `stop`. */
export function levelName(what: string): string {
  return what === 'stop' ? 'stop' : `${what} % warning`;
}
