/** `npm run bench`: this product next to its peers, and which of its targets it meets. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { localFolder } from '../../local/places.ts';
import { diskShortage } from '../../local/trouble.ts';
import { printProjection } from '../projection/print.ts';
import { experiments } from './experiments.ts';
import { type BenchFlags, FlagError, HELP, parseFlags } from './flags.ts';
import { printProfile } from './profile/print.ts';
import { runProfile } from './profile/run-profile.ts';
import { type BenchReport, brief, isGood, machineOf } from './report/bench-report.ts';
import { page } from './report/html.ts';
import { summary } from './report/summary.ts';
import { type RunOptions, runBench } from './run-bench.ts';
import { findPinning } from './stand/pin.ts';

const startMs = performance.now();

/** Standard output is for the result; how far it is goes beside it. */
function say(line: string): void {
  const seconds = Math.floor((performance.now() - startMs) / 1_000);
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  console.error(`taximeter: ${clock} ${line}`);
}

function writeReport(folder: string, report: BenchReport): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `bench-${report.startedAt.slice(0, 19).replace(/\D/g, '')}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${path}.html`, page(report));
  return `${path}.html`;
}

async function profile(flags: BenchFlags, bench: RunOptions['bench']): Promise<number> {
  const stops: (() => Promise<void>)[] = [];
  try {
    const { isQuick, wanted } = flags;
    const onEnd = (stop: () => Promise<void>) => void stops.push(stop);
    const profiled = await runProfile({ ...bench, isQuick, wanted, onEnd, msLeft: () => Infinity });
    const folder = resolve(flags.reportFolder);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'gateway.cpuprofile');
    writeFileSync(path, JSON.stringify(profiled.profile));
    const { profile: _, ...shown } = profiled;
    console.log(flags.isJson ? JSON.stringify(shown, null, 1) : printProfile(profiled));
    say(`for a flame graph, open it in the performance tab of Chrome's developer tools: ${path}`);
    return 0;
  } finally {
    for (const stop of stops) await stop();
  }
}

async function run(flags: BenchFlags): Promise<number> {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // The watchdog ends what a second signal leaves behind.
      if (abort.signal.aborted) process.exit(1);
      say(`stopping once this step is done (${name}) ...`);
      abort.abort(new Error('The bench was given up.'));
    });
  }
  const dataDir = join(localFolder(), `bench-${process.pid}`);
  mkdirSync(dataDir, { recursive: true });
  try {
    const shortage = diskShortage(dataDir);
    if (shortage !== null) throw new Error(shortage);
    const pinning = await findPinning();
    await pinning.pin(process.pid, 'rest');
    const incidents: string[] = [];
    const startedAt = new Date().toISOString();
    const bench = {
      ...{ pinning, dataDir, say, baseEnv: process.env },
      incident: (sentence: string) => void incidents.push(sentence),
      check: () => abort.signal.throwIfAborted(),
    };
    if (flags.isProfile) return await profile(flags, bench);
    const { isQuick, wanted } = flags;
    const ran = await runBench({ isQuick, wanted, experiments, bench });
    const report: BenchReport = {
      ...{ startedAt, isQuick: flags.isQuick, ran, incidents },
      seconds: (performance.now() - startMs) / 1_000,
      machine: machineOf(pinning.words),
    };
    const path = writeReport(resolve(flags.reportFolder), report);
    console.log(flags.isJson ? JSON.stringify(brief(report), null, 1) : summary(report));
    say(`the report: ${path}`);
    return isGood(report) ? 0 : 1;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
try {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === 'help') console.log(HELP);
  else if (flags.projectedFile !== null) {
    const report = JSON.parse(readFileSync(flags.projectedFile, 'utf8')) as BenchReport;
    console.log(printProjection(report, flags.given));
  } else process.exit(await run(flags));
} catch (error) {
  console.error(`taximeter: ${error instanceof Error ? error.message : String(error)}`);
  if (!(error instanceof FlagError) && process.env.LOG_LEVEL === 'debug') console.error(error);
  process.exit(1);
}
