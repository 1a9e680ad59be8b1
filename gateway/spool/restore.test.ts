/** What is read from the spool of sessions that went on, or ended, elsewhere before it was read. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLog } from '../../core/runtime/log.ts';
import { beginWorld, type Recorder, type TestGateway, type World } from '../test-gateway.ts';
import { createSpoolSeal, lineOf } from './line.ts';
import { newestLines, restoreSpool } from './restore.ts';
import { startSettling } from './settling.ts';
import { passUntil, passUntilSettled } from './test-passing.ts';

const log = createLog({ name: 'test', level: 'silent' });
const seal = createSpoolSeal([new Uint8Array(32).fill(1)]);
/** of a process that is gone */
const { pid } = spawnSync(process.execPath, ['-e', '']);

let world: World;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'));
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('kind', { quotaMs: 600_000, limits: { outageTime: 'forgive' } });
});
afterEach(async () => {
  await world.end();
  await rm(folder, { recursive: true });
});

interface Spooled {
  recorder: Recorder;
  /** of before the outage: later ones have its time */
  checkpoint: string;
  totalMs: number;
}

/** A session through a minute without the meter, whose gateway then leaves its spool and is killed. */
async function spooled(org = 'acme'): Promise<Spooled> {
  const gateway = world.gateway();
  const recorder = gateway.connect();
  const { session } = await recorder.start(org);
  await world.pass(10_000);
  const checkpoint = recorder.checkpoint();
  world.stores.isAway = true;
  await world.pass(60_000);
  const line = lineOf(gateway.metering.hub.get(org, session)!, gateway.metering.time);
  await writeFile(join(folder, `${pid}-abc-1.spool`), seal.seal(line));
  gateway.kill();
  recorder.cut();
  await world.pass(5_000);
  world.stores.isAway = false;
  return { recorder, checkpoint, totalMs: line.totalMs };
}

async function restoreAt(gateway: TestGateway): Promise<() => Promise<void>> {
  const { ledger, model: meter } = world.stores;
  const settling = startSettling({ ledger, log });
  const { metering } = gateway;
  const monotonicMs = () => performance.now();
  const restored = restoreSpool({ folder, seal, metering, meter, settling, monotonicMs, log });
  await passUntilSettled(world, restored);
  return settling.stop;
}

async function rowOf(recorder: Recorder, org = 'acme') {
  const reply = await world.stores.model.readSession(org, recorder.last('started').session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

const isEmpty = () => passUntil(world, async () => expect(await readdir(folder)).toEqual([]));

it.each(['acme', 'kind'])('time of %s that nobody else knows is told, once', async (org) => {
  const { recorder, totalMs } = await spooled(org);
  const before = await rowOf(recorder, org);
  const stop = await restoreAt(world.gateway());
  const row = await rowOf(recorder, org);
  expect(row.totalMs).toBe(totalMs);
  expect(row.chargedMs).toBe(org === 'kind' ? before.chargedMs : totalMs);
  expect(row.overshootMs).toBe(totalMs - row.chargedMs);
  expect(await readdir(folder)).toHaveLength(1);
  await world.stores.settle(org);
  await isEmpty();
  await stop();
});

it('where the session went on elsewhere, it is raised there', async () => {
  const { recorder, checkpoint, totalMs } = await spooled();
  const other = world.gateway();
  const back = other.connect();
  const { session } = recorder.last('started');
  back.send({ type: 'resume', session, checkpoint });
  await world.pass(8_000);
  expect((await rowOf(back)).totalMs).toBeLessThan(30_000);
  const stop = await restoreAt(world.gateway());
  await passUntil(world, async () =>
    expect((await rowOf(back)).totalMs).toBeGreaterThanOrEqual(totalMs),
  );
  back.send({ type: 'stop' });
  await world.pass(1_000);
  const { summary } = back.last('ended');
  expect(summary.recordedMs).toBeGreaterThanOrEqual(totalMs);
  await world.stores.settle('acme');
  await isEmpty();
  const known = await world.stores.ledger.base('acme', session);
  expect(known!.base.chargedMs).toBe(summary.recordedMs);
  await stop();
});

it('where its recorder was told the end meanwhile, that stands', async () => {
  const { recorder, checkpoint } = await spooled();
  const back = world.gateway().connect();
  const { session } = recorder.last('started');
  back.send({ type: 'resume', session, checkpoint });
  await world.pass(3_000);
  back.send({ type: 'stop' });
  await world.pass(1_000);
  const { summary } = back.last('ended');
  const stop = await restoreAt(world.gateway());
  await world.stores.settle('acme');
  await isEmpty();
  await world.pass(5_000);
  await world.stores.settle('acme');
  const known = await world.stores.ledger.base('acme', session);
  expect(known!.base.chargedMs).toBe(summary.recordedMs);
  await stop();
});

/** Of two outages: the file of the first waited for the ledger when that of the second was begun. */
it.each([
  ['first', 'a', 'z'],
  ['last', 'z', 'a'],
])(
  'of two files of one session the newer line counts where it is read %s',
  async (_, newer, older) => {
    const { recorder, totalMs } = await spooled();
    const [line] = newestLines(
      await readFile(join(folder, `${pid}-abc-1.spool`), 'utf8'),
      seal,
    ).lines;
    await rename(join(folder, `${pid}-abc-1.spool`), join(folder, `${pid}-${newer}-1.spool`));
    const earlier = { ...line!, totalMs: totalMs - 30_000, at: line!.at - 30_000 };
    await writeFile(join(folder, `${pid}-${older}-1.spool`), seal.seal(earlier));
    world.stores.isAway = true;
    const stop = await restoreAt(world.gateway());
    world.stores.isAway = false;
    await passUntil(world, async () => expect((await rowOf(recorder)).totalMs).toBe(totalMs));
    await world.stores.settle('acme');
    await isEmpty();
    await stop();
  },
);

it('a damaged file costs its damaged lines, and is set aside', async () => {
  const { recorder, totalMs } = await spooled();
  const name = join(folder, `${pid}-abc-0.spool`);
  await writeFile(name, 'nothing of ours\n');
  const stop = await restoreAt(world.gateway());
  expect((await rowOf(recorder)).totalMs).toBe(totalMs);
  await world.stores.settle('acme');
  const setAside = [expect.stringMatching(/\.bad$/)];
  await passUntil(world, async () => expect(await readdir(folder)).toEqual(setAside));
  await stop();
});
