/** Runs the kinds as test files, two at a time, and reads what they report while they do. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulateFlags } from './flags.ts';
import { shareOut } from './kinds.ts';

const SAY_EVERY_MS = 10_000;
/** Of what the test runner said, where no kind has told what is wrong. */
const TOLD_LINES = 40;

/** What a kind writes of itself; core/meter/test-simulation.ts is the other side. */
export interface KindReport {
  kind: string;
  seed: number;
  schedules: number;
  done: number;
  steps: number;
  tookMs: number;
  coverage: Record<string, number>;
  failed: { seed: number; problems: string[] } | null;
}

export interface Simulation {
  seed: number;
  tookMs: number;
  kinds: KindReport[];
  /** what the test runner said, if it failed and no schedule did */
  trouble: string | null;
}

export async function runSimulation(
  { seed, schedules, kinds }: SimulateFlags,
  root: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<Simulation> {
  const folder = mkdtempSync(join(tmpdir(), 'taximeter-simulate-'));
  const shares = shareOut(kinds, schedules);
  const mine = kinds.filter((kind) => shares[kind.name]! > 0);
  const startedMs = performance.now();
  const reports = () =>
    mine.flatMap(({ name }): KindReport[] => {
      const path = join(folder, `${name}.json`);
      if (!existsSync(path)) return [];
      try {
        return [JSON.parse(readFileSync(path, 'utf8'))];
      } catch {
        // It is being written; the next look reads it.
        return [];
      }
    });
  const progress = setInterval(() => {
    const parts = reports().map((it) => `${it.kind} ${it.done}/${it.schedules}`);
    say(parts.length === 0 ? 'starting' : parts.join('   '));
  }, SAY_EVERY_MS);
  try {
    const { code, output } = await runTests({
      root,
      files: mine.map((kind) => kind.file),
      env: {
        ...env,
        SIMULATE: JSON.stringify({ seed, schedules: shares, folder }),
        ...(mine.some((kind) => kind.needsStores) ? {} : { TAXIMETER_TEST_STORES: 'none' }),
      },
    });
    const told = reports();
    const isWhole = told.length === mine.length && told.every((it) => it.done === it.schedules);
    const isSilent = told.every((it) => it.failed === null) && (code !== 0 || !isWhole);
    const trouble = isSilent ? output.split('\n').slice(-TOLD_LINES).join('\n') : null;
    return { seed, tookMs: Math.round(performance.now() - startedMs), kinds: told, trouble };
  } finally {
    clearInterval(progress);
    rmSync(folder, { recursive: true, force: true });
  }
}

function runTests(options: {
  root: string;
  files: string[];
  env: NodeJS.ProcessEnv;
}): Promise<{ code: number; output: string }> {
  const { root, files, env } = options;
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...files], {
    ...{ cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-100_000);
    });
  }
  const stop = () => child.kill('SIGTERM');
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ code: code ?? 1, output });
    });
  });
}
