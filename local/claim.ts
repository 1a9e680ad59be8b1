import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processIdentity } from './process-identity.mjs';

/** How long the watchdog of a killed owner may take before we end its processes ourselves. */
const WATCHDOG_PATIENCE_MS = 20_000;
const POLL_MS = 50;

interface ProcessName {
  name: string;
  pid: number;
  identity: string;
}
interface ClaimFile {
  owner: ProcessName;
  children: ProcessName[];
}

/** Thrown when a living process already uses the folder. */
export class FolderInUse extends Error {
  override name = 'FolderInUse';
  readonly pid: number;
  constructor(folder: string, owner: ProcessName) {
    super(
      `The data folder ${folder} is in use by ${owner.name} (process ${owner.pid}): ` +
        'stop it, or choose another folder with --data.',
    );
    this.pid = owner.pid;
  }
}

export interface Claim {
  /** Records a process that must have ended before anybody else may use the folder. */
  add(name: string, pid: number): void;
  release(): void;
}

const alive = (it: ProcessName): boolean => processIdentity(it.pid) === it.identity;

function readClaim(path: string): ClaimFile | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ClaimFile;
  } catch {
    // No claim, or one torn by a kill in the middle of its writing: its owner had no children yet.
    return null;
  }
}

async function endOrphans(orphans: readonly ProcessName[]): Promise<void> {
  const deadline = performance.now() + WATCHDOG_PATIENCE_MS;
  while (orphans.some(alive) && performance.now() < deadline) await sleep(POLL_MS);
  for (const orphan of orphans.filter(alive)) {
    try {
      process.kill(orphan.pid, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  while (orphans.some(alive)) await sleep(POLL_MS);
}

/**
 * Takes a data folder for this process. What a killed owner left running is waited for and, if its
 * watchdog was killed too, ended: two servers must never write one folder.
 * @throws FolderInUse when its owner lives.
 */
export async function claimFolder(folder: string, name: string): Promise<Claim> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'claim.json');
  const before = readClaim(path);
  if (before !== null) {
    if (alive(before.owner)) throw new FolderInUse(folder, before.owner);
    await endOrphans(before.children);
  }
  rmSync(path, { force: true });
  const identity = processIdentity(process.pid) ?? '';
  const claim: ClaimFile = { owner: { name, pid: process.pid, identity }, children: [] };
  try {
    writeFileSync(path, JSON.stringify(claim), { flag: 'wx' });
  } catch (error) {
    const rival = readClaim(path);
    throw rival === null ? error : new FolderInUse(folder, rival.owner);
  }
  return {
    add(childName, pid) {
      const childIdentity = processIdentity(pid);
      if (childIdentity === null) return;
      claim.children.push({ name: childName, pid, identity: childIdentity });
      writeFileSync(path, JSON.stringify(claim));
    },
    release() {
      rmSync(path, { force: true });
    },
  };
}
