/**
 * Reads what gateways of this machine left in the spool, and remembers it as if this one had metered
 * it: words, recoveries and the retention of last totals then go their usual way. Totals, never
 * deltas: to do it twice changes nothing.
 */
import type { Meter } from '../../core/meter/commands.ts';
import type { SessionRow } from '../../core/meter/rows.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Metering } from '../metering.ts';
import { createLiveSession, isNewer, type LiveSession } from '../session.ts';
import { startStopwatch } from '../stopwatch.ts';
import { claimFiles, readSpoolFile } from './folder.ts';
import type { SpoolLine, SpoolSeal } from './line.ts';
import type { Settling } from './settling.ts';

/** Recorders are let in once the meter has been told, or after so long. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 50;

export interface RestoreOptions {
  folder: string;
  seal: SpoolSeal;
  metering: Pick<Metering, 'hub' | 'words' | 'ending' | 'recovery' | 'time'>;
  meter: Pick<Meter, 'readSession'>;
  settling: Settling;
  monotonicMs(): number;
  log: Log;
}

/** Of each session the newest line; the last piece of a file may be cut off. */
export function newestLines(text: string, seal: SpoolSeal): { lines: SpoolLine[]; bad: number } {
  const newest = new Map<string, SpoolLine>();
  let bad = 0;
  for (const piece of text.split('\n').slice(0, -1)) {
    const line = openOrNull(piece, seal);
    if (line) keepNewer(newest, line);
    else bad += 1;
  }
  return { lines: [...newest.values()], bad };
}

function openOrNull(piece: string, seal: SpoolSeal): SpoolLine | null {
  try {
    return seal.open(piece);
  } catch {
    return null;
  }
}

const keyOf = ({ org, session }: SpoolLine) => `${org}|${session}`;
const OVER: ReadonlySet<SpoolLine['phase']> = new Set(['ending', 'ended', 'elsewhere']);

/** The later owner's, and of one owner the larger total. Nobody comes back from an end. */
function keepNewer(newest: Map<string, SpoolLine>, line: SpoolLine): void {
  const known = newest.get(keyOf(line));
  if (known && isNewer(known.epoch, line.epoch)) return;
  if (known && !isNewer(line.epoch, known.epoch)) {
    if (known.totalMs > line.totalMs) return;
    if (known.totalMs === line.totalMs && OVER.has(known.phase) && !OVER.has(line.phase)) return;
  }
  newest.set(keyOf(line), line);
}

interface ReadFile {
  path: string;
  lines: SpoolLine[];
  isWhole: boolean;
}

async function readFiles({ folder, seal, log }: RestoreOptions): Promise<ReadFile[]> {
  const files: ReadFile[] = [];
  for (const path of await claimFiles(folder, new Set())) {
    try {
      const { lines, bad } = newestLines(await readSpoolFile(path), seal);
      log.warn({ file: path, sessions: lines.length, bad }, 'a gateway left this in the spool');
      if (bad > 0) {
        const detail = 'lines that cannot be read, or are of another secret, were left out';
        log.error({ file: path, bad }, detail);
      }
      files.push({ path, lines, isWhole: bad === 0 });
    } catch (error) {
      log.error({ err: error, file: path }, 'this file of the spool could not be read');
    }
  }
  return files;
}

export async function restoreSpool(options: RestoreOptions): Promise<void> {
  const { settling, monotonicMs } = options;
  const files = await readFiles(options);
  // A session may be in several, of two outages or two gateways, and is remembered once.
  const newest = new Map<string, SpoolLine>();
  for (const { lines } of files) for (const line of lines) keepNewer(newest, line);
  const restored = new Map<string, LiveSession>();
  for (const [key, line] of newest) restored.set(key, restore(line, options));
  for (const { path, lines, isWhole } of files) {
    const totals = lines.map((line) => {
      const key = keyOf(line);
      const { org, session, totalMs } = line;
      const done = () => isOver(restored.get(key)!, newest.get(key)!, options);
      return { org, session, totalMs, isOver: done };
    });
    settling.add({ path, totals, isWhole });
  }
  const until = monotonicMs() + PATIENCE_MS;
  const isAwaited = () => [...restored.values()].some((it) => it.waitingSince !== null);
  while (isAwaited() && monotonicMs() < until) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function restore(line: SpoolLine, { metering, monotonicMs }: RestoreOptions): LiveSession {
  const { hub, words, ending, time } = metering;
  const session = sessionOf(line, monotonicMs(), time);
  if (line.phase === 'ended' || line.phase === 'elsewhere') {
    session.phase = { kind: line.phase };
    testify(session, line);
    hub.retain(session);
    return session;
  }
  hub.add(session);
  session.waitingSince = monotonicMs();
  if (line.phase === 'ending') {
    void ending.end(session, line.reason);
    return session;
  }
  words.say(session);
  return session;
}

/**
 * Of one that went on at another gateway before this was read, what was proven here is a witness
 * there, as long as its recorder can still be told. Where it was told its end, that stands.
 */
async function isOver(
  session: LiveSession,
  line: SpoolLine,
  { meter, metering }: RestoreOptions,
): Promise<boolean> {
  if (session.phase.kind !== 'elsewhere') return false;
  const reply = await meter.readSession(line.org, line.session);
  if (reply.status !== 'ok') return reply.status === 'unknown';
  if (reply.session.state === 'ended') return true;
  testify(session, line);
  await metering.recovery.assert(session);
  return false;
}

/** All of its time as if it had been acknowledged: what it says as a witness. */
function testify({ acknowledged }: LiveSession, { totalMs, limits, at }: SpoolLine): void {
  const untoldMs = totalMs - acknowledged.totalMs;
  if (untoldMs <= 0) return;
  acknowledged.totalMs = totalMs;
  if (limits.outageTime === 'forgive') acknowledged.overshootMs += untoldMs;
  else acknowledged.chargedMs += untoldMs;
  acknowledged.at = Math.max(acknowledged.at, at);
}

function sessionOf(line: SpoolLine, now: number, time: Metering['time']): LiveSession {
  const { acknowledged, org, session, user, startedAt, epoch, period, marks } = line;
  const row: SessionRow = {
    ...{ session, org, user, epoch, state: 'detached', startedAt, period, marks },
    ...{ totalMs: acknowledged.totalMs, chargedMs: acknowledged.chargedMs },
    ...{ overshootMs: acknowledged.overshootMs, chargedUpTo: acknowledged.at, lastAnswerAt: 0 },
    ...{ endedAt: 0, reason: '', stoppedBy: '', unsettled: 0 },
    bySource: { planMs: 0, extraMs: 0, overageMs: 0 },
  };
  // Its proof is as old as meter time says: what came after it is nobody's.
  const provenAt = now - Math.max(0, (time.now() - line.at) / time.speed);
  const made = createLiveSession({
    ...{ row, limits: line.limits, trustCaptured: line.trustCaptured, at: provenAt },
    stopwatch: startStopwatch(line.totalMs, provenAt, line.isRunning),
  });
  made.reason = line.reason;
  if (line.phase === 'paused') made.phase = { kind: 'paused' };
  return made;
}
