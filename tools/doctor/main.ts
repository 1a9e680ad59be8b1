/** `npm run doctor`: says what is wrong with the counted time, and repairs what can be repaired. */
import { hostname, userInfo } from 'node:os';
import { createLog } from '../../core/runtime/log.ts';
import { type DoctorFlags, FlagError, HELP, parseFlags } from './flags.ts';
import { report } from './report.ts';
import { type DoneStep, runDoctor } from './run.ts';
import { findStores, NothingToLookAt, openStores, placeText } from './stores.ts';

const NOTHING = 2;

/** Standard output is for the result; with --json a program reads it. */
const say = (line: string): void => console.error(`taximeter: ${line}`);

function actor(): string {
  try {
    return `doctor:${userInfo().username}@${hostname()}`;
  } catch {
    // A user without a name, as in some containers.
    return `doctor@${hostname()}`;
  }
}

const stepLine = ({ outcome, title, says }: DoneStep): string =>
  outcome === 'planned' ? `would ${title}` : `${outcome}: ${title} (${says})`;

async function run(flags: DoctorFlags): Promise<number> {
  const addresses = findStores(process.env, flags.dataDir);
  say(`looking at ${placeText(addresses)}`);
  const log = createLog({ name: 'doctor', level: 'silent' });
  const stores = openStores(addresses, log);
  try {
    const result = await runDoctor({ stores, log, say, actor: actor() }, flags);
    if (flags.isJson) {
      console.log(JSON.stringify({ whose: addresses.whose, ...result }, null, 1));
    } else {
      const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR;
      for (const step of result.steps) console.log(stepLine(step));
      if (result.steps.length > 0) console.log('');
      console.log(report(result.examination, result.figures, isColoured));
    }
    return result.isWell ? 0 : 1;
  } finally {
    await stores.stop();
  }
}

// A reader that has gone (`npm run doctor | head`) is no reason to fail.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
try {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === 'help') console.log(HELP);
  else process.exitCode = await run(flags);
} catch (error) {
  console.error(`taximeter: ${error instanceof Error ? error.message : String(error)}`);
  const isExpected = error instanceof FlagError || error instanceof NothingToLookAt;
  if (!isExpected && process.env.LOG_LEVEL === 'debug') console.error(error);
  process.exitCode = isExpected ? NOTHING : 1;
}
