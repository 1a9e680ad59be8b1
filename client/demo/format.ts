/** Durations and instants as people read them. */

const two = (value: number) => String(value).padStart(2, '0');

/** `4:07`, `1:04:07`; with `always` hours are shown even when there are none. Whole seconds. */
function colons(seconds: number, always: boolean): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = two(seconds % 60);
  return hours > 0 || always ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** Time that has passed: a second counts when it is full. */
export function passed(ms: number): string {
  return colons(Math.floor(ms / 1000), false);
}

export function clock(ms: number): string {
  return colons(Math.floor(ms / 1000), true);
}

/** Time that is left: a second counts until it is gone, so that passed and left add up. */
export function left(ms: number): string {
  return colons(Math.ceil(ms / 1000), false);
}

/** In the reader's own language and zone. With seconds where minutes would be too coarse. */
export function timeOfDay(at: number, withSeconds: boolean): string {
  return new Date(at).toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    ...(withSeconds ? { second: '2-digit' } : {}),
  });
}

export function day(at: number): string {
  return new Date(at).toLocaleDateString(undefined, { day: 'numeric', month: 'long' });
}

export function dayAndTime(at: number): string {
  return `${day(at)}, ${timeOfDay(at, false)}`;
}

export function size(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.max(1, Math.round(bytes / 1000))} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
