/** The build that a gateway serves its page from, made by whichever test file needs it first. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A folder: made by one process only. */
const LOCK = join(ROOT, '.taximeter/building');
const LOOK_EVERY_MS = 250;
/** A build on a busy machine takes a minute; what holds the lock for longer has died. */
const LONGEST_BUILD_MS = 150_000;

/** For `beforeAll`: two builds at once would take away each other's result. */
export const BUILD_PATIENCE_MS = 300_000;

/** @throws Error with what the compiler said */
export async function buildPage(): Promise<void> {
  mkdirSync(join(ROOT, '.taximeter'), { recursive: true });
  const untilMs = performance.now() + BUILD_PATIENCE_MS;
  while (!isTaken()) {
    if (performance.now() > untilMs) throw new Error(`Another build does not end: see ${LOCK}`);
    await sleep(LOOK_EVERY_MS);
  }
  try {
    const args = [join(ROOT, 'local/setup.mjs'), '--build'];
    const built = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (built.status === 0) return;
    throw new Error(`The page could not be built:\n${built.stdout}${built.stderr}`);
  } finally {
    rmdirSync(LOCK);
  }
}

function isTaken(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const since = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  if (Date.now() - since > LONGEST_BUILD_MS) rmdirSync(LOCK);
  return false;
}
