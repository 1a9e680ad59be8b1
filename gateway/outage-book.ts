/**
 * What an outage was: which store, since when, how long, and what became of the time that sessions
 * recorded meanwhile. One row an outage and gateway, written when Postgres takes it (rule 24).
 */
import { randomUUID } from 'node:crypto';
import type { Log } from '../core/runtime/log.ts';
import type { OutageRecord } from '../drizzle/queries/save-outage.ts';
import { isForgiven } from './claim.ts';
import type { LiveSession } from './session.ts';

/** After an outage its sessions tell what they kept; the row waits until none has for so long. */
const QUIET_MS = 10_000;
const LOOK_MS = 1_000;
/** Rows that wait for Postgres. Outages are rare; a store that flaps must not fill the memory. */
export const MAX_UNSAVED_OUTAGES = 100;

export type OutagePart = OutageRecord['part'];

/** A session's figures as the meter answers them. */
interface Figures {
  totalMs: number;
  chargedMs: number;
  overshootMs: number;
}

export interface OutageTotals {
  outages: number;
  countedMs: number;
  chargedMs: number;
  forgivenMs: number;
  terminated: number;
}

export interface OutageBook {
  began(part: OutagePart): void;
  ended(part: OutagePart): void;
  /** The meter answers of a session whose words it had not taken; its figures are not taken over yet. */
  back(session: LiveSession, figures: Figures): void;
  terminated(session: LiveSession): void;
  isAway(part: OutagePart): boolean;
  /** of all outages since this process began, by part */
  totals(part: OutagePart): OutageTotals;
  /** Writes what it has, as far as Postgres takes it, and says the rest in the log. */
  stop(): Promise<void>;
}

export interface OutageBookOptions {
  gateway: string;
  log: Log;
  monotonicMs(): number;
  wallMs(): number;
  save(record: OutageRecord): Promise<void>;
}

interface Page {
  record: OutageRecord;
  sessions: Set<LiveSession>;
  /** monotonic; null while it lasts */
  quietSince: number | null;
}

export function createOutageBook(options: OutageBookOptions): OutageBook {
  const { log, monotonicMs, wallMs } = options;
  const open = new Map<OutagePart, Page>();
  const unsaved: OutageRecord[] = [];
  let isSaving = false;
  const totals: Record<OutagePart, OutageTotals> = { redis: none(), postgres: none() };

  function isAway(part: OutagePart): boolean {
    return open.get(part)?.quietSince === null;
  }

  /** The outage of the meter that a session's time belongs to: the one under way, or the last one. */
  function pageOfMeter(): Page | undefined {
    return open.get('redis');
  }

  function close(page: Page): void {
    page.record.sessions = page.sessions.size;
    unsaved.push(page.record);
    while (unsaved.length > MAX_UNSAVED_OUTAGES) {
      log.error(
        { outage: unsaved.shift() },
        'too many outages wait for Postgres: one is only here',
      );
    }
  }

  async function save(): Promise<void> {
    if (isSaving) return;
    isSaving = true;
    try {
      for (let record = unsaved[0]; record; record = unsaved[0]) {
        await options.save(record);
        unsaved.shift();
      }
    } catch (error) {
      log.debug({ err: error }, 'the record of an outage waits for Postgres');
    } finally {
      isSaving = false;
    }
  }

  function look(): void {
    const before = monotonicMs() - QUIET_MS;
    for (const [part, page] of open) {
      if (page.quietSince === null || page.quietSince > before) continue;
      open.delete(part);
      close(page);
    }
    if (unsaved.length > 0) void save();
  }
  const timer = setInterval(look, LOOK_MS);

  return {
    isAway,
    began(part) {
      if (isAway(part)) return;
      const earlier = open.get(part);
      if (earlier) close(earlier);
      const other = part === 'redis' ? 'postgres' : 'redis';
      const bothAway = isAway(other);
      if (bothAway) open.get(other)!.record.bothAway = true;
      const at = wallMs();
      const record: OutageRecord = {
        id: randomUUID(),
        gateway: options.gateway,
        part,
        beganAt: at,
        endedAt: at,
        bothAway,
        sessions: 0,
        countedMs: 0,
        chargedMs: 0,
        forgivenMs: 0,
        terminated: 0,
      };
      open.set(part, { record, sessions: new Set(), quietSince: null });
      totals[part].outages += 1;
    },
    ended(part) {
      const page = open.get(part);
      if (page?.quietSince !== null) return;
      page.quietSince = monotonicMs();
      // A wall clock that was set back must not make a row that Postgres refuses.
      page.record.endedAt = Math.max(page.record.beganAt, wallMs());
    },
    back(session, { totalMs, chargedMs, overshootMs }) {
      const page = pageOfMeter();
      if (!page) return;
      const { acknowledged } = session;
      if (page.quietSince !== null) page.quietSince = monotonicMs();
      page.sessions.add(session);
      const counted = Math.max(0, totalMs - acknowledged.totalMs);
      const charged = Math.max(0, chargedMs - acknowledged.chargedMs);
      const beside = Math.max(0, overshootMs - acknowledged.overshootMs);
      const forgiven = isForgiven(session) ? beside : 0;
      for (const sums of [page.record, totals.redis]) {
        sums.countedMs += counted;
        sums.chargedMs += charged;
        sums.forgivenMs += forgiven;
      }
    },
    terminated() {
      const page = pageOfMeter();
      if (page) page.record.terminated += 1;
      totals.redis.terminated += 1;
    },
    totals: (part) => totals[part],
    async stop() {
      clearInterval(timer);
      for (const [part, page] of open) {
        this.ended(part);
        close(page);
      }
      open.clear();
      await save();
      for (const outage of unsaved) log.warn({ outage }, 'an outage that Postgres could not take');
    },
  };
}

function none(): OutageTotals {
  return { outages: 0, countedMs: 0, chargedMs: 0, forgivenMs: 0, terminated: 0 };
}
