/**
 * The folder of spool files: `<pid>-<its start>-<number>-<epoch ms>.spool`, readable by this user
 * alone. A file belongs to the process in its name; one whose process is gone, or was another one of
 * the same number, may be claimed by renaming it.
 */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, startOf } from './process-life.ts';

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** Without a start where the system does not tell it. */
const NAME = /^(\d+)-(?:(\d+)-)?[0-9a-z]+-\d+\.spool$/;
/** Of one process. A file is begun anew at half of it, and the one before goes. */
export const MAX_SPOOL_BYTES = 64 * 1_024 * 1_024;

/** @throws with what to do, where the folder cannot be made or written */
export function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(
      `SPOOL_DIR: "${folder}" cannot be written (${(error as Error).message}). Give a folder that ` +
        'this user may write, on a disk of this machine, or leave SPOOL_DIR unset.',
    );
  }
}

export interface SpoolFile {
  path: string;
  bytes: number;
  /** On the disk, not only told to the system, when it resolves. Where it rejects nothing of it counts. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

function freshName(): string {
  const owner = [process.pid, startOf(process.pid) ?? []].flat().join('-');
  return `${owner}-${randomBytes(5).toString('hex')}-${Date.now()}.spool`;
}

export async function createSpoolFile(folder: string): Promise<SpoolFile> {
  const path = join(folder, freshName());
  const handle: FileHandle = await open(path, 'ax', FILE_MODE);
  let isTorn = false;
  const file: SpoolFile = {
    path,
    bytes: 0,
    async append(text) {
      // What a full disk left of the text before would spoil the line that follows it.
      if (isTorn) await handle.truncate(file.bytes);
      isTorn = true;
      await handle.appendFile(text);
      await handle.datasync();
      isTorn = false;
      file.bytes += Buffer.byteLength(text);
    },
    close: () => handle.close(),
  };
  return file;
}

/** Takes over files whose process is gone; `own` are those of this very process. */
export async function claimFiles(folder: string, own: ReadonlySet<string>): Promise<string[]> {
  const claimed: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const [, pid, start = null] = NAME.exec(name) ?? [];
    if (pid === undefined || own.has(path)) continue;
    if (Number(pid) !== process.pid && isAlive(Number(pid), start)) continue;
    const mine = join(folder, freshName());
    // Of two that start at the same time one is faster.
    const isMine = await rename(path, mine).then(
      () => true,
      () => false,
    );
    if (isMine) claimed.push(mine);
  }
  return claimed;
}

/** @throws where it is larger than any gateway writes */
export async function readSpoolFile(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_SPOOL_BYTES) throw new Error(`${path} has ${size} bytes: no spool of ours`);
  return readFile(path, 'utf8');
}

export const removeSpoolFile = (path: string): Promise<void> => unlink(path);

/** Kept for whoever wants to know what happened; not read again. */
export const setAside = (path: string): Promise<void> => rename(path, `${path}.bad`);
