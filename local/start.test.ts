/** `npm start` as a newcomer has it: the real gateway and worker, on stores it starts itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { projectRoot } from './places.ts';
import { anyFreePort } from './port.ts';
import { processIdentity } from './process-identity.mjs';

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

function start(dataDir: string, port: number, ...flags: string[]) {
  const args = [
    '--import',
    'tsx',
    'local/up.ts',
    '--data',
    dataDir,
    '--port',
    String(port),
    ...flags,
  ];
  const child = spawn(process.execPath, args, {
    cwd: projectRoot(),
    env: { ...process.env, npm_lifecycle_event: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (it) => (output += it));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    child,
    exited,
    output: () => output,
    isUp: () =>
      vi.waitFor(() => {
        if (child.exitCode !== null) throw new Error(output);
        expect(output).toContain('Taximeter is running.');
      }, 60_000),
    operationsPort: () => Number(/localhost:(\d+)\/metrics/.exec(output)?.[1]),
  };
}

/** Everything that was started for this data folder, by what was written down of it. */
function pids(dataDir: string): number[] {
  return ['.', 'redis', 'postgres'].flatMap((folder) => {
    const claim = JSON.parse(readFileSync(join(dataDir, folder, 'claim.json'), 'utf8'));
    return claim.children.map((it: { pid: number }) => it.pid) as number[];
  });
}

const alive = (pid: number) => processIdentity(pid) !== null;

async function api(port: number, method: string, path: string, body?: unknown) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { authorization: 'Bearer dev-key', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.status, `${method} ${path}`).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

describe('a newcomer', () => {
  it('starts, asks, stops, and finds everything again, also after a kill -9', async () => {
    const dataDir = join(inject('runFolder'), `start-${randomBytes(4).toString('hex')}`);
    mkdirSync(dataDir);
    const port = await anyFreePort();
    const first = start(dataDir, port, '--gateways', '2');
    await first.isUp();
    const health = await fetch(`http://127.0.0.1:${first.operationsPort()}/healthz`);
    const { gateways } = (await health.json()) as { gateways: Record<string, { pid: number }> };
    expect(Object.keys(gateways)).toEqual(['gateway-1', 'gateway-2']);
    for (const it of [port, first.operationsPort()]) {
      expect((await fetch(`http://127.0.0.1:${it}/healthz`)).status).toBe(200);
    }
    const demo = await api(port, 'GET', '/v1/orgs/demo');
    expect(demo).toMatchObject({ plan: 'demo' });
    await api(port, 'PUT', '/v1/orgs/demo', { name: 'Renamed', plan: 'demo', timeZone: 'UTC' });
    const before = [...pids(dataDir), ...Object.values(gateways).map(({ pid }) => pid)];
    expect(before).toHaveLength(6);
    first.child.kill('SIGINT');
    expect(await first.exited).toBe(0);
    expect(before.filter(alive)).toEqual([]);

    const second = start(dataDir, port, '--gateways', '2', '--speed', '60');
    await second.isUp();
    expect(await api(port, 'GET', '/v1/orgs/demo')).toMatchObject({ name: 'Renamed' });
    const usage = await api(port, 'GET', '/v1/orgs/demo/usage');
    expect(usage).toHaveProperty('period');
    const killed = pids(dataDir);
    second.child.kill('SIGKILL');
    await second.exited;
    await vi.waitFor(() => expect(killed.filter(alive)).toEqual([]), 30_000);

    const third = start(dataDir, port);
    await third.isUp();
    third.child.kill('SIGTERM');
    expect(await third.exited).toBe(0);
  }, 180_000);
});
