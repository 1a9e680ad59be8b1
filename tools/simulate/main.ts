/** `npm run simulate`: random schedules on a virtual clock, each from a seed. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../core/runtime/command.ts';
import { HELP, parseFlags } from './flags.ts';
import { type KindReport, runSimulation, type Simulation } from './run-simulation.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const startMs = performance.now();

/** Standard output is for the result; how far it is goes beside it. */
function say(line: string): void {
  const seconds = Math.floor((performance.now() - startMs) / 1_000);
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  console.error(`taximeter: ${clock} ${line}`);
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(0)} s`;

function lineOf(it: KindReport): string {
  const state = it.failed === null ? 'none failed' : `seed ${it.failed.seed} FAILED`;
  const covered = Object.entries(it.coverage)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, times]) => `${what} ${times}`);
  const figures = `${it.done} of ${it.schedules} schedules, ${it.steps} steps, ${seconds(it.tookMs)}`;
  return `${it.kind}: ${figures}, ${state}\n  ${covered.join(', ')}`;
}

function summary({ seed, tookMs, kinds, trouble }: Simulation): string {
  const lines = [`Seed ${seed}, ${seconds(tookMs)}`, ...kinds.map(lineOf)];
  for (const { kind, failed } of kinds) {
    if (failed === null) continue;
    const again = `npm run simulate -- --only ${kind} --seed ${failed.seed} --schedules 1`;
    lines.push('', ...failed.problems, `Again: ${again}`);
  }
  if (trouble !== null) lines.push('', 'The simulation did not come to its end:', trouble);
  return lines.join('\n');
}

const isGood = ({ kinds, trouble }: Simulation) =>
  trouble === null && kinds.every(({ failed }) => failed === null);

process.exitCode = await runCommand({
  env: process.env,
  help: HELP,
  parse: parseFlags,
  async run(flags) {
    const done = await runSimulation(flags, ROOT, process.env, say);
    console.log(flags.isJson ? JSON.stringify(done, null, 1) : summary(done));
    return isGood(done) ? 0 : 1;
  },
});
