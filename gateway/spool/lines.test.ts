/** Spool files as they are found: cut off, damaged, of others, of processes that live or have gone. */
import { spawn } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimFiles, createSpoolFile, prepareFolder } from './folder.ts';
import { createSpoolSeal, type SpoolLine } from './line.ts';
import { startOf } from './process-life.ts';
import { newestLines } from './restore.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);
const seal = createSpoolSeal([key(1)]);

function line(session: string, totalMs: number, more: Partial<SpoolLine> = {}): SpoolLine {
  return {
    ...{ version: 1, org: 'acme', session, user: 'ann', startedAt: 1, trustCaptured: false },
    ...{ epoch: { generation: 1, counter: 1 }, totalMs, at: totalMs, isRunning: true },
    acknowledged: { totalMs: 5, chargedMs: 5, overshootMs: 0, at: 5 },
    ...{ isWaiting: true, phase: 'recording', reason: 'stopped', period: 0 },
    marks: [{ period: 0, chargedMs: 0 }],
    limits: {
      ...{ saveWindowMs: 1, onMeterFailure: 'continue', meterFailureMs: 1, outageTime: 'charge' },
      ...{ sessionLimitMs: null, sessionLevels: [] },
    },
    ...more,
  };
}

describe('of lines', () => {
  it('the newest of each session counts: the later owner, and of one owner the larger total', () => {
    const later = { epoch: { generation: 1, counter: 2 } };
    const given = [line('a', 10), line('a', 30), line('b', 7, later), line('a', 20), line('b', 9)];
    const { lines, bad } = newestLines(given.map((it) => seal.seal(it)).join(''), seal);
    expect(bad).toBe(0);
    expect(lines.map(({ session, totalMs }) => [session, totalMs])).toEqual([
      ['a', 30],
      ['b', 7],
    ]);
  });

  it('of equal totals the end counts, in whatever order they are read', () => {
    const both = [line('a', 10, { phase: 'ending' }), line('a', 10)];
    for (const given of [both, both.toReversed()]) {
      const { lines } = newestLines(given.map((it) => seal.seal(it)).join(''), seal);
      expect(lines).toMatchObject([{ phase: 'ending' }]);
    }
  });

  it('one that was cut off as its gateway was killed is no line, and none that is missed', () => {
    const text = seal.seal(line('a', 10)) + seal.seal(line('a', 30)).slice(0, -20);
    expect(newestLines(text, seal)).toMatchObject({ lines: [{ totalMs: 10 }], bad: 0 });
  });

  it.each([
    ['a changed total', (text: string) => text.replace('"totalMs":30', '"totalMs":90')],
    ['a changed MAC', (text: string) => `A${text.slice(1)}`],
    ['noise', () => '\u0000\uffff{"totalMs":1}\n'],
    ['an empty line', () => '\n'],
    ['no JSON', () => 'AAAAAAAAAAAAAAAAAAAAAA nothing\n'],
    ['another secret', () => createSpoolSeal([key(2)]).seal(line('a', 90))],
    ['another version', () => seal.seal(line('a', 90, { version: 2 }))],
  ])('%s is left out, and the others are read', (_, change) => {
    const text =
      seal.seal(line('b', 5)) + change(seal.seal(line('a', 30))) + seal.seal(line('a', 20));
    const { lines, bad } = newestLines(text, seal);
    expect(bad).toBe(1);
    expect(lines.map(({ session, totalMs }) => [session, totalMs])).toEqual([
      ['b', 5],
      ['a', 20],
    ]);
  });

  it('those of an older secret are read while it is known', () => {
    const rotated = createSpoolSeal([key(2), key(1)]);
    expect(rotated.open(seal.seal(line('a', 30)).trimEnd())).toEqual(line('a', 30));
  });
});

describe('of files', () => {
  let folder: string;
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'spool-')), 'spool');
    prepareFolder(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function gonePid(): Promise<number> {
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('exit', resolve));
    return child.pid!;
  }

  it('are readable by this user alone', async () => {
    const file = await createSpoolFile(folder);
    await file.append('x\n');
    await file.close();
    expect((await stat(file.path)).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await readFile(file.path, 'utf8')).toBe('x\n');
  });

  it('those of processes that are gone are claimed, once; those of others are left', async () => {
    const gone = join(folder, `${await gonePid()}-abc-1.spool`);
    const alive = join(folder, `${process.ppid}-abc-1.spool`);
    const earlierLife = join(folder, `${process.pid}-abc-1.spool`);
    for (const path of [gone, alive, earlierLife, join(folder, 'note.txt')]) {
      await writeFile(path, 'x');
    }
    await appendFile(join(folder, '1-abc-1.spool.bad'), 'x');
    const own = await createSpoolFile(folder);
    const [first, second] = await Promise.all([
      claimFiles(folder, new Set([own.path])),
      claimFiles(folder, new Set([own.path])),
    ]);
    await own.close();
    const claimed = [...first, ...second];
    const there = (await readdir(folder)).map((name) => join(folder, name));
    expect(there).toContain(alive);
    expect(there).toContain(own.path);
    expect(there).not.toContain(gone);
    expect(there).not.toContain(earlierLife);
    expect(claimed.filter((path) => there.includes(path))).toHaveLength(2);
  });

  it.skipIf(startOf(process.pid) === null)(
    'those of a process whose number another one has now are claimed, as after a restart of the machine',
    async () => {
      const parent = process.ppid;
      const itsOwn = `${parent}-${startOf(parent)}-abc-1.spool`;
      const earlier = `${parent}-${Number(startOf(parent)) + 1}-abc-1.spool`;
      for (const name of [itsOwn, earlier]) await writeFile(join(folder, name), 'x');
      expect(await claimFiles(folder, new Set())).toHaveLength(1);
      const there = await readdir(folder);
      expect(there).toContain(itsOwn);
      expect(there).not.toContain(earlier);
    },
  );

  it('a folder that cannot be written is said with what to do', async () => {
    const path = join(folder, 'file');
    await writeFile(path, '');
    expect(() => prepareFolder(join(path, 'below'))).toThrow(/SPOOL_DIR: ".*leave SPOOL_DIR unset/);
  });
});
