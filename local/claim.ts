import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processIdentity } from './process-identity.mjs';

/** How long the watchdog of a killed owner may take before we end its processes ourselves. */
const WATCHDOG_PATIENCE_MS = 20_000;
/** How long an owner may take to notice that it is to stop (its npm was ended), and to say so. */
const OWNER_PATIENCE_MS = 1_500;
/** How long one that has said so may take. */
const STOPPING_PATIENCE_MS = 60_000;
const POLL_MS = 50;

interface ProcessName {
  name: string;
  pid: number;
  identity: string;
}
interface ClaimFile {
  owner: ProcessName;
  children: ProcessName[];
  stopping?: boolean;
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
  /** Tells whoever waits for the folder that waiting is worth it. */
  leave(): void;
  release(): void;
}

const alive = (it: ProcessName): boolean => processIdentity(it.pid) === it.identity;

function readClaim(path: string): ClaimFile | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ClaimFile;
  } catch {
    // No claim, or one that a crash of the machine left torn.
    return null;
  }
}

/** Waits for an owner that ends or is about to. @throws FolderInUse when it does not. */
async function waitForOwner(path: string, folder: string, owner: ProcessName): Promise<void> {
  const since = performance.now();
  while (alive(owner)) {
    const now = readClaim(path);
    if (now === null) return;
    const patienceMs = now.stopping === true ? STOPPING_PATIENCE_MS : OWNER_PATIENCE_MS;
    if (performance.now() - since > patienceMs) throw new FolderInUse(folder, owner);
    await sleep(POLL_MS);
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
    await waitForOwner(path, folder, before.owner);
    await endOrphans(before.children);
  }
  rmSync(path, { force: true });
  const identity = processIdentity(process.pid) ?? '';
  const claim: ClaimFile = { owner: { name, pid: process.pid, identity }, children: [] };
  // Whole or not at all, at every instant: a reader that saw half of it would take the folder.
  const draft = `${path}.${process.pid}`;
  const write = () => {
    writeFileSync(draft, JSON.stringify(claim));
    renameSync(draft, path);
  };
  try {
    writeFileSync(draft, JSON.stringify(claim));
    linkSync(draft, path);
    rmSync(draft);
  } catch (error) {
    rmSync(draft, { force: true });
    const rival = readClaim(path);
    throw rival === null ? error : new FolderInUse(folder, rival.owner);
  }
  return {
    add(childName, pid) {
      const childIdentity = processIdentity(pid);
      if (childIdentity === null) return;
      claim.children.push({ name: childName, pid, identity: childIdentity });
      write();
    },
    leave() {
      claim.stopping = true;
      write();
    },
    release() {
      rmSync(path, { force: true });
    },
  };
}
