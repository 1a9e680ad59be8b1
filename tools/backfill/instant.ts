import { Temporal } from 'temporal-polyfill';

/** An instant as a source writes it, or why it can't be one. */
export type ReadInstant = { at: number; isAmbiguous: boolean } | { problem: string };

const PATTERN =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?(?::\d{2})?)?$/i;
/** Seconds or milliseconds since 1970; from 2001 on, so that a year is none. */
const EPOCH = /^\d{10}(?:\.\d+)?$|^\d{13}$/;
const MOST_HOURS_REMEMBERED = 50_000;

/** Where an hour of the wall lies: at more than one instant when clocks were put back. */
interface WallHour {
  /** epoch ms of its first instant */
  startsAt: number;
  isAmbiguous: boolean;
}

function wallHour(date: string, hour: string, zone: string): WallHour | null {
  try {
    const wall = Temporal.PlainDateTime.from(`${date}T${hour}:00:00`);
    const earlier = wall.toZonedDateTime(zone, { disambiguation: 'earlier' });
    const later = wall.toZonedDateTime(zone, { disambiguation: 'later' });
    const isAmbiguous = !earlier.equals(later);
    const compatible = wall.toZonedDateTime(zone, { disambiguation: 'compatible' });
    return { startsAt: compatible.epochMilliseconds, isAmbiguous };
  } catch {
    return null;
  }
}

/** `+02`, `+0200`, `+02:00`. */
function offsetMs(text: string): number {
  if (/^(Z|UTC)$/i.test(text)) return 0;
  const digits = text.slice(1).replaceAll(':', '').padEnd(4, '0');
  const ms = (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4))) * 60_000;
  return text.startsWith('-') ? -ms : ms;
}

/**
 * Reads instants: ISO 8601 with or without an offset, `2026-05-01 10:00:00+00` as Postgres writes it,
 * seconds or milliseconds since 1970. What has no offset is local time of `zone`. In the hour that
 * clocks repeat the first is meant, and `isAmbiguous` says so; in the one they skip, the later.
 */
export function createInstants(zone: string): (text: string) => ReadInstant {
  const hours = new Map<string, WallHour | null>();

  function local(date: string, hour: string): WallHour | null {
    const key = `${date} ${hour}`;
    let known = hours.get(key);
    if (known === undefined) {
      if (hours.size >= MOST_HOURS_REMEMBERED) hours.clear();
      known = wallHour(date, hour, zone);
      hours.set(key, known);
    }
    return known;
  }

  return (text) => {
    if (text === '') return { problem: 'there is no time' };
    if (EPOCH.test(text)) {
      const at = text.length === 13 ? Number(text) : Number(text) * 1000;
      return { at: Math.round(at), isAmbiguous: false };
    }
    const match = PATTERN.exec(text);
    if (match === null) {
      return { problem: `"${text}" is no time like 2026-05-01 10:00:00 or 2026-05-01T10:00:00Z` };
    }
    const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset] =
      match;
    const date = `${year}-${month}-${day}`;
    if (Number(minute) > 59 || Number(second) > 60 || Number(hour) > 23) {
      return { problem: `"${text}" is no time of a day` };
    }
    const within =
      Number(minute) * 60_000 + Number(second) * 1000 + Number(`${fraction}000`.slice(0, 3));
    if (offset !== undefined) {
      const startsAt = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
      if (new Date(startsAt).toISOString().slice(0, 10) !== date) {
        return { problem: `"${text}" is no day` };
      }
      return { at: startsAt + within - offsetMs(offset), isAmbiguous: false };
    }
    const wall = local(date, hour);
    if (wall === null) return { problem: `"${text}" is no day` };
    return { at: wall.startsAt + within, isAmbiguous: wall.isAmbiguous };
  };
}
