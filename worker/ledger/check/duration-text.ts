const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** For a person: "1 h 02 min 03.450 s", "12.000 s"; the exact figure stands beside it. */
export function durationText(ms: number): string {
  const whole = Math.abs(Math.round(ms));
  const hours = Math.floor(whole / HOUR_MS);
  const minutes = Math.floor((whole % HOUR_MS) / MINUTE_MS);
  const seconds = ((whole % MINUTE_MS) / SECOND_MS).toFixed(3);
  const parts = [`${seconds} s`];
  if (hours > 0 || minutes > 0) parts.unshift(`${minutes} min`);
  if (hours > 0) parts.unshift(`${hours} h`);
  return `${ms < 0 ? '-' : ''}${parts.join(' ')}`;
}

/** "62000 ms (1 min 2.000 s)" */
export function exactText(ms: number): string {
  return `${ms} ms (${durationText(ms)})`;
}
