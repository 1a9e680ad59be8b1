/** Troubles that every word of many sessions would report: each is told once, and again when it lasts. */
import type { Log } from '../core/runtime/log.ts';

const AGAIN_MS = 60_000;
/** Beyond it the oldest is forgotten, and may be told again. */
const MAX_REMEMBERED = 1_000;

/** `about`: what it is about, so that the trouble of one organization does not hide another's. */
export type Alarm = (about: string, fields: Record<string, unknown>, sentence: string) => void;

export function createAlarm({ log, monotonicMs }: { log: Log; monotonicMs(): number }): Alarm {
  const toldAt = new Map<string, number>();

  return (about, fields, sentence) => {
    const key = `${about} ${sentence}`;
    const before = toldAt.get(key);
    if (before !== undefined && monotonicMs() - before < AGAIN_MS) return;
    toldAt.delete(key);
    toldAt.set(key, monotonicMs());
    if (toldAt.size > MAX_REMEMBERED) toldAt.delete(toldAt.keys().next().value!);
    log.error(fields, sentence);
  };
}
