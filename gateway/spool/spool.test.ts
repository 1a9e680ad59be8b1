/** What a gateway writes to the spool where the disk is full for a while. */
import { type FileHandle, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLog } from '../../core/runtime/log.ts';
import { beginWorld, type TestGateway, type World } from '../test-gateway.ts';
import { createSpoolSeal } from './line.ts';
import { newestLines } from './restore.ts';
import { startSettling } from './settling.ts';
import { type Spool, startSpool } from './spool.ts';
import { passUntil, passUntilSettled } from './test-passing.ts';

const log = createLog({ name: 'test', level: 'silent' });
const seal = createSpoolSeal([new Uint8Array(32).fill(1)]);

let world: World;
let folder: string;
let gateway: TestGateway;
let spool: Spool;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'));
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  gateway = world.gateway();
  const { hub, time } = gateway.metering;
  const settling = startSettling({ ledger: world.stores.ledger, log });
  const remembered = () => hub.remembered();
  spool = startSpool({ folder, seal, time, log, remembered, settling });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await passUntilSettled(world, spool.stop());
  await world.end();
  await rm(folder, { recursive: true });
});

/** The next write gets so many characters on the disk, and then there is no room. */
async function fillDisk(characters: number): Promise<void> {
  const any = await open(join(folder, 'any'), 'w');
  const handles = Object.getPrototypeOf(any) as FileHandle;
  await any.close();
  await rm(join(folder, 'any'));
  vi.spyOn(handles, 'appendFile').mockImplementationOnce(async function (this: FileHandle, text) {
    await this.write(String(text).slice(0, characters));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  });
}

async function read() {
  const found = [];
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8');
    found.push(newestLines(text, seal));
  }
  return {
    bad: found.reduce((sum, it) => sum + it.bad, 0),
    sessions: found.flatMap(({ lines }) => lines.map(({ session }) => session)).sort(),
  };
}

/** A session that goes on in the outage, and one whose recorder is gone: nothing of it changes any more. */
async function untold(): Promise<string[]> {
  const gone = gateway.connect();
  await gateway.connect().start('acme', { session: 'runs' });
  await gone.start('acme', { session: 'gone', user: 'bob' });
  await world.pass(12_000);
  world.stores.isAway = true;
  gone.cut();
  return ['gone', 'runs'];
}

it.each([0, 300])('has all of it once there is room again, after %i characters', async (some) => {
  const sessions = await untold();
  await fillDisk(some);
  await passUntil(world, async () => expect(await read()).toEqual({ bad: 0, sessions }));
});
