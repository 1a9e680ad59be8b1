import { statfsSync } from 'node:fs';

/** Below this Postgres and Redis soon fail in the middle of a write. */
const NEEDED_BYTES = 300 * 1024 * 1024;
const MEGABYTE = 1024 * 1024;

/** One sentence when the disk of `folder` is nearly full, else null. */
export function diskShortage(folder: string, neededBytes = NEEDED_BYTES): string | null {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return null;
  const [free, needed] = [freeBytes, neededBytes].map((it) => Math.floor(it / MEGABYTE));
  return (
    `The disk of ${folder} is nearly full (${free} MB free, ${needed} MB needed): ` +
    'free some space, or choose another folder with --data.'
  );
}

/** What stopped us, for a person: a sentence where we know one, else the error's own message. */
export function explain(error: unknown, dataDir: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string } | null)?.code;
  if (code === 'ENOSPC' || /no space left on device/i.test(message)) {
    return `The disk of ${dataDir} is full: free some space, or choose another folder with --data.`;
  }
  if (code === 'EACCES' || code === 'EROFS') {
    const path = (error as { path?: string }).path ?? dataDir;
    return `${path} can't be written: choose another folder with --data, or change its owner.`;
  }
  // postgres.js, for one, rejects with errors that have a code and no message.
  return message || code || 'an error without a message';
}
