/**
 * What a recorder says of its session, kept beside the ledger. Nobody waits for it: a recording is not
 * held up by words about it, and while Postgres is away they wait here for a while.
 */
import type { Log } from '../core/runtime/log.ts';
import type { Stoppable } from '../core/runtime/stop.ts';
import type { TextCipher } from '../core/runtime/text-cipher.ts';
import type { Tenants } from '../drizzle/bound.ts';
import { readMetadata, writeMetadata } from '../drizzle/queries/session-metadata.ts';

/** Beyond an outage of minutes they are given up, and the log says so. */
const PAUSES_MS = [1_000, 5_000, 30_000, 120_000, 300_000] as const;
/** Sessions whose words may wait at a time; at 1 KB each they are no burden. */
const MAX_WAITING = 10_000;

export type Metadata = Record<string, string>;

export interface MetadataRead {
  /** null: nothing was said, or it can't be read */
  metadata: Metadata | null;
  /** why it can't be read, and what would help; null: it can */
  problem: string | null;
}

export interface SessionMetadata extends Stoppable {
  keep(org: string, session: string, metadata: Metadata): void;
  read(org: string, session: string): Promise<MetadataRead>;
}

export interface SessionMetadataOptions {
  tenants: Pick<Tenants, 'of'>;
  cipher: TextCipher;
  log: Log;
}

export function createSessionMetadata(options: SessionMetadataOptions): SessionMetadata {
  const { tenants, cipher, log } = options;
  const timers = new Set<NodeJS.Timeout>();
  const underWay = new Set<Promise<void>>();

  async function write(org: string, session: string, value: string, tries: number): Promise<void> {
    try {
      await writeMetadata(tenants.of(org), org, session, value);
    } catch (error) {
      const pauseMs = PAUSES_MS[tries];
      if (pauseMs === undefined || timers.size >= MAX_WAITING) {
        log.error({ err: error, org, session }, 'the metadata of a session could not be kept');
        return;
      }
      const timer = setTimeout(() => {
        timers.delete(timer);
        begin(org, session, value, tries + 1);
      }, pauseMs);
      timers.add(timer);
    }
  }

  function begin(org: string, session: string, value: string, tries: number): void {
    const writing = write(org, session, value, tries).finally(() => underWay.delete(writing));
    underWay.add(writing);
  }

  function problemOf(org: string, session: string, problem: string): MetadataRead {
    log.warn({ org, session }, `metadata can not be read: ${problem}`);
    return { metadata: null, problem };
  }

  return {
    keep(org, session, metadata) {
      if (Object.keys(metadata).length === 0) return;
      begin(org, session, cipher.seal(JSON.stringify(metadata), [org, session]), 0);
    },
    async read(org, session) {
      const value = await readMetadata(tenants.of(org), org, session);
      if (value === null) return { metadata: null, problem: null };
      const opened = cipher.open(value, [org, session]);
      if (opened.status === 'ok') return { metadata: JSON.parse(opened.text), problem: null };
      return problemOf(
        org,
        session,
        opened.status === 'keyMissing'
          ? `It is encrypted with the key ${opened.key}, which is not among METADATA_KEYS: add that key behind the others.`
          : 'It was altered, or belongs to another session.',
      );
    },
    async stop() {
      if (timers.size > 0) log.warn({ sessions: timers.size }, 'metadata of sessions is given up');
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      await Promise.all(underWay);
    },
  };
}
