import { exactText } from './duration-text.ts';
import { type Finding, finding } from './finding.ts';
import type { Reading } from './snapshot.ts';

/** Minutes that are still on their way to the ledger are not missing yet. */
const HOLE_PATIENCE_S = 600;
/** What an ended session's last gateway may take to say its total, a reconnection included. */
const CLOSE_PATIENCE_MS = 600_000;

export interface WrongMinutes {
  org: string;
  session: string;
  isClosed: boolean;
  /** the first of them */
  minute: number;
  holes: number;
  missingMs: number;
  over: number;
  overMs: number;
}
export interface Unclosed {
  org: string;
  session: string;
  endedAt: number;
  recordedMs: number;
  overshootMs: number;
  settledMs: number;
}

/**
 * Minutes are numbered by charged time: each below the last is full, in all periods together, and
 * none has more than its 60 seconds (rules 10 and 22 in core/meter/README.md).
 */
export function wrongMinutes(tx: Reading, orgs: string[]): Promise<WrongMinutes[]> {
  return tx<WrongMinutes[]>`
    with minutes as (
      select org, session, minute, sum(ms) as ms, max(written_at) as written_at
      from usage_tracking where org = any(${orgs}) group by org, session, minute),
    steps as (
      select *, lag(minute, 1, -1) over by_minute as before,
        lead(written_at) over by_minute as followed_at
      from minutes window by_minute as (partition by org, session order by minute)),
    wrong as (
      select org, session, min(minute) as minute,
        sum(minute - before - 1 + case when followed_at is not null and ms < 60000 then 1 else 0 end)
          as holes,
        sum((minute - before - 1) * 60000
          + case when followed_at is not null and ms < 60000 then 60000 - ms else 0 end) as missing,
        count(*) filter (where ms > 60000) as over, sum(greatest(0, ms - 60000)) as over_ms
      from steps
      where ms > 60000 or ((minute > before + 1 or (followed_at is not null and ms < 60000))
        and coalesce(followed_at, written_at)
          < now() - make_interval(secs => ${HOLE_PATIENCE_S}))
      group by org, session)
    select w.org, w.session, s.state = 'closed' as "isClosed", w.minute, w.holes::bigint as holes,
      w.missing::bigint as "missingMs", w.over, w.over_ms::bigint as "overMs"
    from wrong w join sessions s on s.org = w.org and s.id = w.session order by 1, 2`;
}

/** @param now meter instant; `speed`: meter seconds in a real one */
export function unclosedSessions(
  tx: Reading,
  orgs: string[],
  { now, speed }: { now: number; speed: number },
): Promise<Unclosed[]> {
  const before = Math.floor(now - CLOSE_PATIENCE_MS * speed);
  return tx<Unclosed[]>`
    select org, id as session, epoch_ms(ended_at) as "endedAt", recorded_ms as "recordedMs",
      overshoot_ms as "overshootMs", settled_ms as "settledMs"
    from sessions where org = any(${orgs}) and state = 'ended'
      and ended_at < from_epoch_ms(${before}) order by 1, 2`;
}

export function judgeMinutes(rows: readonly WrongMinutes[]): Finding[] {
  return rows.flatMap(({ org, session, isClosed, minute, holes, missingMs, over, overMs }) => {
    const where = { org, subject: session };
    const found: Finding[] = [];
    if (holes > 0) {
      const says = `Session ${session} of ${org} misses ${exactText(missingMs)} before later minutes, first at minute ${minute}${isClosed ? '; it is closed' : ''}.`;
      const hole = finding('minuteHole', { ...where, says, figures: { holes, missingMs } });
      found.push({ ...hole, isFixable: !isClosed });
    }
    if (over > 0) {
      const says = `Session ${session} of ${org} has ${over} minutes of more than 60 s, ${exactText(overMs)} too much.`;
      found.push(finding('minuteOver', { ...where, says, figures: { over, overMs } }));
    }
    return found;
  });
}

export function judgeUnclosed(rows: readonly Unclosed[]): Finding[] {
  return rows.map(({ org, session, endedAt, recordedMs, overshootMs, settledMs }) => {
    const missingMs = recordedMs - overshootMs - settledMs;
    return finding('sessionUnclosed', {
      org,
      subject: session,
      says: `Session ${session} of ${org} ended at ${new Date(endedAt).toISOString()} with ${exactText(recordedMs - overshootMs)}; the ledger misses ${exactText(missingMs)} of it.`,
      figures: { recordedMs, overshootMs, settledMs, missingMs },
    });
  });
}
