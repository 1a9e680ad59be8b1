/** Tries mutations: every one in a copy of its own, all in one run of the tests. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutation } from './mutation.ts';
import { judge, type TestReport, type Verdict } from './verdict.ts';
import { makeWorkplace } from './workplace.ts';

const TOLD_LINES = 40;
/** A mutation may leave a process in a circle, which no test's own time limit ends. */
const LONGEST_MS = 45 * 60_000;

export interface MutateOptions {
  root: string;
  env: NodeJS.ProcessEnv;
  /** test files at a time */
  workers: number;
  /** told of every mutation that has run */
  ran?(name: string): void;
}

/** Folders of runs that were killed: nobody else would remove them. */
function removeOld(local: string): void {
  for (const name of readdirSync(local)) {
    const pid = /^mutate-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) {
      rmSync(join(local, name), { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export async function runMutations(
  mutations: readonly Mutation[],
  options: MutateOptions,
): Promise<Verdict[]> {
  const { root, workers } = options;
  const local = join(root, '.taximeter');
  mkdirSync(local, { recursive: true });
  removeOld(local);
  const folder = join(local, `mutate-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  try {
    const workplace = makeWorkplace(root, folder, mutations, workers);
    const path = join(folder, 'report.json');
    const names = new Set(mutations.map((mutation) => mutation.name));
    const output = await runTests(workplace.configFile, path, names, options);
    if (!existsSync(path)) {
      const tail = output.split('\n').slice(-TOLD_LINES).join('\n');
      throw new Error(`The tests did not come to their end:\n${tail}`);
    }
    const report: TestReport = JSON.parse(readFileSync(path, 'utf8'));
    return judge(mutations, report, workplace);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runTests(
  config: string,
  report: string,
  names: Set<string>,
  options: MutateOptions,
): Promise<string> {
  const { root, env, ran } = options;
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const child = spawn(process.execPath, [vitest, 'run', '--config', config, ...reporters], {
    ...{ cwd: root, stdio: ['ignore', 'pipe', 'pipe'], timeout: LONGEST_MS },
    env: { ...env, NO_COLOR: '1', SIMULATE: undefined },
  });
  let output = '';
  const waiting = new Set(names);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-100_000);
      for (const [, name = ''] of text.matchAll(/^\s*[✓❯×]\s+\|?([\w-]+)\|?\s/gmu)) {
        if (waiting.delete(name)) ran?.(name);
      }
    });
  }
  const stop = () => child.kill('SIGTERM');
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve(output);
    });
  });
}
