import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { claimFolder, FolderInUse } from './claim.ts';
import { projectRoot } from './places.ts';
import { processIdentity } from './process-identity.mjs';

const folder = () => join(inject('runFolder'), `watch-${randomBytes(4).toString('hex')}`);
const parents: ChildProcess[] = [];
afterEach(() => {
  for (const parent of parents.splice(0)) parent.kill('SIGKILL');
});

/** Runs `body` (with `pids` to fill) as a program of its own; resolves with what it fills in. */
async function runParent(body: string): Promise<{ parent: ChildProcess; pids: number[] }> {
  const dir = folder();
  mkdirSync(dir, { recursive: true });
  const script = join(dir, 'parent.ts');
  const local = join(projectRoot(), 'local');
  writeFileSync(
    script,
    `import { startChild } from ${JSON.stringify(join(local, 'child.ts'))};
     import { startRedis } from ${JSON.stringify(join(local, 'redis.ts'))};
     const dir = ${JSON.stringify(dir)};
     const node = (code: string, patienceMs = 2_000) => startChild({
       name: 'a child', command: process.execPath, args: ['-e', code],
       logPath: dir + '/child.log', stopSignal: 'SIGTERM', patienceMs });
     async function main(): Promise<number[]> { ${body} }
     main().then((pids) => console.log(JSON.stringify(pids)));
     setInterval(() => {}, 1_000);`,
  );
  const parent = spawn(process.execPath, ['--import', 'tsx', script], {
    cwd: projectRoot(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  parents.push(parent);
  const line = await new Promise<string>((resolve) => {
    parent.stdout!.once('data', (data: Buffer) => resolve(data.toString()));
  });
  return { parent, pids: JSON.parse(line) as number[] };
}

const alive = (pid: number) => processIdentity(pid) !== null;

describe('the watchdog', () => {
  it('ends what a killed parent started', async () => {
    const { parent, pids } = await runParent(`
      const redis = await startRedis({ dataDir: dir + '/redis' });
      const worker = await node('setInterval(() => {}, 1000)');
      return [redis.pid, worker.pid];`);
    expect(pids.map(alive)).toEqual([true, true]);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(pids.map(alive)).toEqual([false, false]), { timeout: 15_000 });
  });

  it('kills a child that does not listen, and one that is frozen', async () => {
    const { parent, pids } = await runParent(`
      const deaf = await node("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)", 300);
      const frozen = await node('setInterval(() => {}, 1000)', 300);
      process.kill(frozen.pid, 'SIGSTOP');
      return [deaf.pid, frozen.pid];`);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(pids.map(alive)).toEqual([false, false]), { timeout: 15_000 });
  });

  it('leaves alone what was stopped before, whoever has its number now', async () => {
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    parents.push(stranger);
    const watchdog = spawn(process.execPath, [join(projectRoot(), 'local/watchdog.mjs')], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const entry = { pid: stranger.pid, identity: 'ticks 1', signal: 'SIGKILL', patienceMs: 100 };
    watchdog.stdin.end(`${JSON.stringify({ watch: entry })}\n`);
    await new Promise((resolve) => watchdog.once('exit', resolve));
    expect(alive(stranger.pid!)).toBe(true);
  });
});

describe('a claim on a data folder', () => {
  it('is refused while its owner lives, waited for when it goes, and taken over from a dead one', async () => {
    const dir = folder();
    const first = await claimFolder(dir, 'npm start');
    await expect(claimFolder(dir, 'npm start')).rejects.toThrow(FolderInUse);
    setTimeout(() => first.leave(), 200);
    setTimeout(() => first.release(), 2_500);
    // Longer than an owner is waited for that is not about to go.
    (await claimFolder(dir, 'npm start')).release();
    const dead = { name: 'npm start', pid: process.pid, identity: 'ticks 1' };
    writeFileSync(join(dir, 'claim.json'), JSON.stringify({ owner: dead, children: [] }));
    const second = await claimFolder(dir, 'npm start');
    expect(JSON.parse(readFileSync(join(dir, 'claim.json'), 'utf8')).owner.pid).toBe(process.pid);
    second.release();
  });

  it('waits for what the dead owner left, and is not misled by a torn file', async () => {
    const dir = folder();
    mkdirSync(dir, { recursive: true });
    const orphan = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 700)']);
    const identity = processIdentity(orphan.pid!)!;
    const dead = { name: 'npm start', pid: process.pid, identity: 'ticks 1' };
    const children = [{ name: 'Redis', pid: orphan.pid!, identity }];
    writeFileSync(join(dir, 'claim.json'), JSON.stringify({ owner: dead, children }));
    const claim = await claimFolder(dir, 'npm start');
    expect(alive(orphan.pid!)).toBe(false);
    claim.release();
    writeFileSync(join(dir, 'claim.json'), '{"owner":{"na');
    (await claimFolder(dir, 'npm start')).release();
  });
});
