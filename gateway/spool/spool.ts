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
import type { Settling } from './settling.ts';

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

export function startSpool(options: SpoolOptions): Spool {
  const { folder, seal, time, log, settling } = options;
  let file: SpoolFile | null = null;
  /** what the file has of each session: written again only where that has changed */
  let written = new Map<string, string>();
  let totals = new Map<string, { org: string; session: string; totalMs: number }>();
  let writing: Promise<void> | null = null;

  async function begin(): Promise<SpoolFile> {
    file = await createSpoolFile(folder);
    written = new Map();
    totals = new Map();
    return file;
  }

  async function write(): Promise<void> {
    const sessions = options.remembered();
    if (sessions.length === 0) return;
    const earlier = file && file.bytes > MAX_SPOOL_BYTES / 2 ? file : null;
    const into = earlier || !file ? await begin() : file;
    let left = 0;
    for (let i = 0; i < sessions.length; i += LINES_AT_ONCE) {
      let text = '';
      for (const session of sessions.slice(i, i + LINES_AT_ONCE)) {
        const line = lineOf(session, time);
        const key = `${line.org}|${line.session}`;
        const sealed = seal.seal(line);
        if (written.get(key) === sealed) continue;
        if (into.bytes + text.length + sealed.length > MAX_SPOOL_BYTES) {
          left += 1;
          continue;
        }
        written.set(key, sealed);
        totals.set(key, { org: line.org, session: line.session, totalMs: line.totalMs });
        text += sealed;
      }
      if (text) await into.append(text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (left > 0)
      log.error({ left, MAX_SPOOL_BYTES }, 'the spool is full: some are only in memory');
    if (!earlier) return;
    await earlier.close();
    await removeSpoolFile(earlier.path);
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
    const done = file;
    if (!done) return;
    file = null;
    await done.close();
    settling.add({ path: done.path, totals: [...totals.values()], isWhole: true });
  }

  const timer = setInterval(() => {
    if (isUntold()) void writeOnce();
    else if (file && !writing) void leave();
  }, SPOOL_EVERY_MS);

  return {
    async stop() {
      clearInterval(timer);
      await writing;
      // What waits for the ledger alone is left, too, where there is a file of it.
      if (!file && !isUntold()) return;
      await writeOnce();
      if (file) log.warn({ file: file.path, sessions: totals.size }, 'left in the spool');
      await file?.close();
    },
  };
}
