/** `npm run chaos`: the product under faults, audited against its recorders' own logs. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FlagError } from '../../core/runtime/command.ts';
import { localFolder } from '../../local/places.ts';
import { processIdentity } from '../../local/process-identity.mjs';
import { diskShortage } from '../../local/trouble.ts';
import { type ChaosFlags, HELP, parseFlags } from './flags.ts';
import { brief } from './report/brief.ts';
import { type ChaosReport, isGood } from './report/chaos-report.ts';
import { page } from './report/html.ts';
import { summary } from './report/summary.ts';
import { runChaos } from './run-chaos.ts';
import { FAULTS } from './schedule.ts';

const startMs = performance.now();

/** Standard output is for the result; how far it is goes beside it. */
function say(line: string): void {
  const seconds = Math.floor((performance.now() - startMs) / 1_000);
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  console.error(`taximeter: ${clock} ${line}`);
}

/** A folder of this run's own; what a killed run left, and its watchdog has ended since, goes. */
function makeFolder(): string {
  mkdirSync(localFolder(), { recursive: true });
  for (const name of readdirSync(localFolder())) {
    const pid = /^chaos-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && processIdentity(Number(pid)) === null) {
      rmSync(join(localFolder(), name), { recursive: true, force: true });
    }
  }
  const folder = join(localFolder(), `chaos-${process.pid}`);
  mkdirSync(folder);
  const shortage = diskShortage(folder);
  if (shortage !== null) throw new Error(shortage);
  return folder;
}

function writeReport(folder: string, report: ChaosReport): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `chaos-${report.startedAt.slice(0, 19).replace(/\D/g, '')}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${path}.html`, page(report));
  return `${path}.html`;
}

async function run(flags: ChaosFlags): Promise<number> {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // The watchdog ends what a second signal leaves behind.
      if (abort.signal.aborted) process.exit(1);
      say(`stopping (${name}) ...`);
      abort.abort(new Error('Chaos was given up.'));
    });
  }
  const report = await runChaos({
    ...{ flags, say, folder: makeFolder(), env: process.env, signal: abort.signal },
  });
  const path = writeReport(resolve(flags.reportFolder), report);
  console.log(flags.isJson ? JSON.stringify(brief(report), null, 1) : summary(report));
  say(`the report: ${path}`);
  return isGood(report) ? 0 : 1;
}

process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
try {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === 'help') console.log(HELP);
  else if (flags.only.includes('list')) for (const { name } of FAULTS) console.log(name);
  else process.exit(await run(flags));
} catch (error) {
  console.error(`taximeter: ${error instanceof Error ? error.message : String(error)}`);
  if (!(error instanceof FlagError) && process.env.LOG_LEVEL === 'debug') console.error(error);
  process.exit(1);
}
