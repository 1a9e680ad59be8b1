/** Places of gateway processes, with small stand-ins for the gateways: what is tried is keeping them. */
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, inject, it, vi } from 'vitest';
import { createLog } from '../../core/runtime/log.ts';
import { isAlive } from '../../local/test-process.ts';
import { type Kept, keepGateway } from './keeping.ts';

const LOOK_MS = 50;
const PATIENCE_MS = 10_000;
const STAND_IN = `
  process.on('message', ({ type, id, path }) => {
    if (type === 'stop' && process.env.OBEYS) process.exit(0);
    if (type === 'ask') process.send({ type: 'answer', id, status: 200, body: path });
  });
  process.send({ type: 'serves' });`;

let kept: Kept | undefined;
beforeAll(() => {
  const exec = join(inject('runFolder'), `stand-in-${randomBytes(4).toString('hex')}.mjs`);
  writeFileSync(exec, STAND_IN);
  cluster.setupPrimary({ exec, execArgv: [] });
});
afterEach(() => kept?.stop('the test is over', 0));

async function keep(env: Record<string, string> = { OBEYS: '1' }): Promise<Kept> {
  kept = keepGateway('gateway-1', env, createLog({ name: 'test', level: 'silent' }), LOOK_MS);
  expect(await kept.current.started).toBe(true);
  return kept;
}
const isBackAsAnother = (pid: number) =>
  vi.waitFor(() => {
    expect(kept!.current.pid).not.toBe(pid);
    expect(kept!.current.isServing).toBe(true);
  }, PATIENCE_MS);

it('starts one again that ended, and asks the new one', async () => {
  const { pid, ended } = (await keep()).current;
  process.kill(pid, 'SIGKILL');
  expect(await ended).toBe('was ended by SIGKILL');
  await isBackAsAnother(pid);
  expect(await kept!.current.ask('/readyz')).toMatchObject({ status: 200, body: '/readyz' });
});

it('ends one that hangs, and starts it again', async () => {
  const { pid } = (await keep()).current;
  process.kill(pid, 'SIGSTOP');
  await isBackAsAnother(pid);
  expect(isAlive(pid)).toBe(false);
});

it('leaves one alone that answers', async () => {
  const { pid } = (await keep()).current;
  await sleep(12 * LOOK_MS);
  expect(kept!.current.pid).toBe(pid);
});

it('kills one that does not end in time when it is told to', async () => {
  const { pid } = (await keep({})).current;
  await kept!.stop('for good', 100);
  expect(isAlive(pid)).toBe(false);
});

it('answers nothing for one that has ended', async () => {
  const gone = (await keep()).current;
  gone.kill();
  await gone.ended;
  expect(await gone.ask('/healthz')).toBeNull();
});
