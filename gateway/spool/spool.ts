/**
 * The last witness: what this gateway's memory knows, on a disk of this machine, for the time in which
 * the meter cannot be told. Written now and then while it is away, and once more when the gateway
 * stops with words that nobody took. Whoever starts here next reads it (restore.ts).
 */
import type { Log } from '../../core/runtime/log.ts';
import type { MeterTime } from '../meter-time.ts';
import type { LiveSession } from '../session.ts';
import { createSpoolFile, MAX_SPOOL_BYTES, removeSpoolFile, type SpoolFile } from './folder.ts';
import { lineOf, type SpoolSeal } from './line.ts';
import type { Settling, SpooledTotal } from './settling.ts';

/** What a gateway that is killed meanwhile may lose of a session whose recorder is gone, too. */
export const SPOOL_EVERY_MS = 5_000;
/** Lines made in one go; then sockets have their turn. */
const LINES_AT_ONCE = 200;

export interface SpoolOptions {
  folder: string;
  seal: SpoolSeal;
  time: MeterTime;
  log: Log;
  remembered(): LiveSession[];
  /** removes what the ledger has */
  settling: Settling;
}

export interface Spool {
  stop(): Promise<void>;
}

interface Page {
  file: SpoolFile;
  /** what the file has of each session: written again only where that has changed */
  written: Map<string, string>;
  totals: Map<string, SpooledTotal>;
}

export function startSpool(options: SpoolOptions): Spool {
  const { folder, seal, time, log, settling } = options;
  let page: Page | null = null;
  /** half full, and given up once the present one has all of it */
  let earlier: Page | null = null;
  let writing: Promise<void> | null = null;

  async function pageToWrite(): Promise<Page> {
    if (page && (earlier || page.file.bytes <= MAX_SPOOL_BYTES / 2)) return page;
    const file = await createSpoolFile(folder);
    earlier = page;
    page = { file, written: new Map(), totals: new Map() };
    return page;
  }

  async function write(): Promise<void> {
    const sessions = options.remembered();
    if (sessions.length === 0) return;
    const into = await pageToWrite();
    let left = 0;
    for (let i = 0; i < sessions.length; i += LINES_AT_ONCE) {
      const some = sessions.slice(i, i + LINES_AT_ONCE);
      left += await writeSome(into, some);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (left > 0)
      log.error({ left, MAX_SPOOL_BYTES }, 'the spool is full: some are only in memory');
    const done = earlier;
    if (!done) return;
    earlier = null;
    await done.file.close();
    await removeSpoolFile(done.file.path);
  }

  /** Returns how many found no room. */
  async function writeSome(into: Page, sessions: readonly LiveSession[]): Promise<number> {
    let [text, left] = ['', 0];
    const news: [string, SpooledTotal, string][] = [];
    for (const session of sessions) {
      const line = lineOf(session, time);
      const key = `${line.org}|${line.session}`;
      const sealed = seal.seal(line);
      if (into.written.get(key) === sealed) continue;
      if (into.file.bytes + text.length + sealed.length > MAX_SPOOL_BYTES) {
        left += 1;
        continue;
      }
      news.push([key, { org: line.org, session: line.session, totalMs: line.totalMs }, sealed]);
      text += sealed;
    }
    if (text) await into.file.append(text);
    // Not before: what a full disk did not take is written again with the next.
    for (const [key, total, sealed] of news) {
      into.written.set(key, sealed);
      into.totals.set(key, total);
    }
    return left;
  }

  /** Something is known here that the meter has not taken. */
  const isUntold = () =>
    options.remembered().some((it) => it.waitingSince !== null || it.phase.kind === 'ending');

  function writeOnce(): Promise<void> {
    writing ??= write()
      .catch((error) => log.error({ err: error, folder }, 'the spool could not be written'))
      .finally(() => {
        writing = null;
      });
    return writing;
  }

  /** The meter can be told again: what was written is removed once the ledger has it. */
  async function leave(): Promise<void> {
    const pages = [earlier, page];
    [earlier, page] = [null, null];
    for (const done of pages) {
      if (!done) continue;
      await done.file.close();
      settling.add({ path: done.file.path, totals: [...done.totals.values()], isWhole: true });
    }
  }

  const timer = setInterval(() => {
    if (isUntold()) void writeOnce();
    else if (page && !writing) void leave();
  }, SPOOL_EVERY_MS);

  return {
    async stop() {
      clearInterval(timer);
      await writing;
      // What waits for the ledger alone is left, too, where there is a file of it.
      if (!page && !isUntold()) return;
      await writeOnce();
      for (const left of [earlier, page]) {
        if (!left) continue;
        const { file, totals } = left;
        log.warn({ file: file.path, sessions: totals.size }, 'left in the spool');
        await file.close();
      }
    },
  };
}
