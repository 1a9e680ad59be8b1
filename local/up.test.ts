/**
 * `npm start` as a process, with small stand-ins for the gateway and the worker: what is tried here
 * is starting, watching and stopping. The real ones are tried in local/start.test.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { connect } from '../drizzle/client.ts';
import { readClock } from '../drizzle/queries/clock.ts';
import { projectRoot } from './places.ts';
import { anyFreePort } from './port.ts';
import { processIdentity } from './process-identity.mjs';

const STAND_IN = `
  import { appendFileSync } from 'node:fs';
  import { createServer } from 'node:http';
  const { PORT, OPERATIONS_PORT, GATEWAY_NAME } = process.env;
  const note = (what) => appendFileSync(process.argv[2], (GATEWAY_NAME ?? 'worker') + ' ' + what + ' ' + process.pid + '\\n');
  for (const port of [PORT, OPERATIONS_PORT]) {
    if (port) createServer((_, response) => response.end(JSON.stringify(process.env))).listen(Number(port), '127.0.0.1');
  }
  process.on('SIGTERM', () => { note('stopped'); process.exit(0); });
  note('started');`;

interface Up {
  process: ChildProcess;
  output: () => string;
  exited: Promise<number | null>;
}

const running: ChildProcess[] = [];
afterEach(async () => {
  const ups = running.splice(0).filter((it) => it.exitCode === null && it.signalCode === null);
  await Promise.all(
    ups.map(async (up) => {
      up.kill('SIGTERM');
      await new Promise((resolve) => up.once('exit', resolve));
    }),
  );
});

function newFolder() {
  const dir = join(inject('runFolder'), `up-${randomBytes(4).toString('hex')}`);
  mkdirSync(dir, { recursive: true });
  const main = join(dir, 'stand-in.mjs');
  const notes = join(dir, 'notes');
  writeFileSync(main, STAND_IN);
  writeFileSync(notes, '');
  return {
    data: join(dir, 'data'),
    mains: { gateway: [main, notes], worker: [main, notes] },
    /** Lines of the stand-ins: name, what happened, process. */
    notes: () =>
      readFileSync(notes, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
  };
}
type Folder = ReturnType<typeof newFolder>;

const UP = ['--import', 'tsx', 'local/up.ts', '--data'];

function startUp({ data, mains }: Folder, ...flags: string[]): Up {
  return follow(
    spawn(process.execPath, [...UP, data, ...flags], {
      cwd: projectRoot(),
      env: {
        ...process.env,
        TAXIMETER_MAINS: JSON.stringify(mains),
        // This test's parent is npm's, not what is started here.
        npm_lifecycle_event: undefined,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

/** As npm does it: a shell between, and a variable that says so. */
function startUpInShell({ data, mains }: Folder, port: string): Up {
  const words = [process.execPath, ...UP, data, '--port', port].map((word) => `'${word}'`);
  return follow(
    spawn('sh', ['-c', `${words.join(' ')}; exit $?`], {
      cwd: projectRoot(),
      env: {
        ...process.env,
        TAXIMETER_MAINS: JSON.stringify(mains),
        npm_lifecycle_event: 'start',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

function follow(child: ReturnType<typeof spawn>): Up {
  running.push(child);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (it) => (text += it));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { process: child, output: () => text, exited };
}

const isUp = (up: Up) => vi.waitFor(() => expect(up.output()).toContain('is running'), 30_000);
const alive = (pid: number) => processIdentity(pid) !== null;
const pidsOf = (folder: Folder) => folder.notes().map(([, , pid]) => Number(pid));

function storePids({ data }: Folder): number[] {
  return ['redis', 'postgres'].map((store) => {
    const claim = JSON.parse(readFileSync(join(data, store, 'claim.json'), 'utf8'));
    return claim.children.at(-1).pid as number;
  });
}

describe('npm start', () => {
  it('starts stores, worker and gateway, and stops them in the reverse order', async () => {
    const folder = newFolder();
    const port = await anyFreePort();
    const up = startUp(folder, '--port', String(port), '--gateways', '2', '--speed', '60');
    await isUp(up);
    expect(up.output()).toContain(`http://localhost:${port}/`);
    expect(up.output()).toContain('60 times as fast');
    const env = (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as NodeJS.ProcessEnv;
    expect(env).toMatchObject({ GATEWAY_NAME: 'gateway', HOST: '127.0.0.1', DEVELOPMENT: '1' });
    expect(env.GATEWAY_PROCESSES).toBe('2');
    expect(env.DATABASE_URL).toContain('//taximeter:');
    const database = connect(env.DATABASE_URL!);
    expect((await readClock(database.db)).speed).toBe(60);
    await database.stop();
    expect(env.ALLOWED_ORIGINS).toContain(`http://localhost:${port}`);
    const stores = storePids(folder);

    up.process.kill('SIGINT');
    expect(await up.exited).toBe(0);
    const stopped = folder.notes().filter(([, what]) => what === 'stopped');
    expect(stopped.map(([name]) => name)).toEqual(['gateway', 'worker']);
    expect([...pidsOf(folder), ...stores].filter(alive)).toEqual([]);
  });

  it('leaves nothing behind when it is killed, and starts again with its data', async () => {
    const folder = newFolder();
    const port = String(await anyFreePort());
    const first = startUp(folder, '--port', port);
    await isUp(first);
    first.process.kill('SIGKILL');
    await first.exited;
    // At once, while the watchdog is still at work.
    const second = startUp(folder, '--port', port);
    const before = pidsOf(folder);
    await isUp(second).catch(() => {
      throw new Error(second.output());
    });
    expect(before.filter(alive)).toEqual([]);
    const stores = storePids(folder);
    second.process.kill('SIGKILL');
    await vi.waitFor(
      () => expect([...pidsOf(folder), ...stores].filter(alive)).toEqual([]),
      20_000,
    );
  });

  it('ends when npm, which started it, was killed', async () => {
    const folder = newFolder();
    const up = startUpInShell(folder, String(await anyFreePort()));
    await isUp(up);
    const stores = storePids(folder);
    up.process.kill('SIGKILL');
    await vi.waitFor(
      () => expect([...pidsOf(folder), ...stores].filter(alive)).toEqual([]),
      20_000,
    );
    expect(up.output()).toContain('stopping (npm is gone)');
  });

  it('says that another one runs on the same data', async () => {
    const folder = newFolder();
    const first = startUp(folder, '--port', String(await anyFreePort()));
    await isUp(first);
    const second = startUp(folder, '--port', String(await anyFreePort()));
    expect(await second.exited).toBe(1);
    expect(second.output().trim().split('\n')).toHaveLength(1);
    expect(second.output()).toContain(
      `in use by another "npm start" (process ${first.process.pid})`,
    );
  });

  it('says in one sentence that its port is in use, and leaves nothing running', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    const folder = newFolder();
    const up = startUp(folder, '--port', String(port));
    expect(await up.exited).toBe(1);
    expect(up.output().trim()).toBe(
      `taximeter: Port ${port} is in use: stop what listens there, or choose another with --port.`,
    );
    server.close();
  });

  it('ends, with its last words, when a process does not come up', async () => {
    const folder = newFolder();
    writeFileSync(folder.mains.gateway[0]!, "console.log('no room'); process.exit(3);");
    const up = startUp(folder, '--port', String(await anyFreePort()));
    expect(await up.exited).toBe(1);
    expect(up.output()).toMatch(/worker ended with exit code 3.*worker\.log\):\nno room/);
  });

  it('ends everything when a part dies right after its start', async () => {
    const folder = newFolder();
    const up = startUp(folder, '--port', String(await anyFreePort()));
    await isUp(up);
    const stores = storePids(folder);
    process.kill(stores[0]!, 'SIGKILL');
    expect(await up.exited).toBe(1);
    expect(up.output()).toContain('Redis was ended by SIGKILL');
    expect([...pidsOf(folder), ...stores].filter(alive)).toEqual([]);
  });

  it('refuses a flag it does not know, and a value that is none', async () => {
    const folder = newFolder();
    const [unknown, wrong, help] = [
      startUp(folder, '--prot', '1'),
      startUp(folder, '--speed', '0'),
      startUp(folder, '--help'),
    ];
    expect(await Promise.all([unknown.exited, wrong.exited, help.exited])).toEqual([1, 1, 0]);
    expect(unknown.output()).toContain('--prot');
    expect(wrong.output()).toContain('--speed must be above 0 and at most 1000, and is "0".');
    expect(help.output()).toContain('--gateways N');
  });
});
