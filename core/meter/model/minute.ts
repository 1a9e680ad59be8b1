/** Rule 10: minutes are numbered by charged time; a record says what of one fell into one period. */
import type { ModelSession } from './shard.ts';
import { sessionKey } from './shard.ts';
import type { Turn } from './turn.ts';
import { putUnsettled } from './turn.ts';

export const MINUTE_MS = 60_000;

/** Minutes whose end this charge reached. `beforeMs` is the charged time before it. */
export function writeFinishedMinutes(turn: Turn, session: ModelSession, beforeMs: number): void {
  const open = Math.floor(session.chargedMs / MINUTE_MS);
  for (let minute = Math.floor(beforeMs / MINUTE_MS); minute < open; minute++) {
    write(turn, session, minute);
  }
}

/** The open minute as far as it goes: for one that is not recording, or leaves its period. */
export function writeOpenMinute(turn: Turn, session: ModelSession): void {
  if (session.chargedMs <= session.writtenMs) return;
  write(turn, session, Math.floor(session.chargedMs / MINUTE_MS));
  session.writtenMs = session.chargedMs;
}

function write(turn: Turn, session: ModelSession, minute: number): void {
  const markMs = session.marks.at(-1)?.chargedMs ?? 0;
  const from = Math.max(minute * MINUTE_MS, markMs);
  const to = Math.min((minute + 1) * MINUTE_MS, session.chargedMs);
  if (to <= from) return;
  putUnsettled(turn, `m|${sessionKey(session)}|${minute}|${session.period}`, to - from);
}
