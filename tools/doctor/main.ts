/** `npm run doctor`: says what is wrong with the counted time, and repairs what can be repaired. */

import { runCommand } from '../../core/runtime/command.ts';
import { createLog } from '../../core/runtime/log.ts';
import { actorOf } from '../actor.ts';
import { type DoctorFlags, HELP, parseFlags } from './flags.ts';
import { report } from './report.ts';
import { type DoneStep, runDoctor } from './run.ts';
import { findStores, nothingCode, openStores, placeText } from './stores.ts';

/** Standard output is for the result; with --json a program reads it. */
const say = (line: string): void => console.error(`taximeter: ${line}`);

const stepLine = ({ outcome, title, says }: DoneStep): string =>
  outcome === 'planned' ? `would ${title}` : `${outcome}: ${title} (${says})`;

async function run(flags: DoctorFlags): Promise<number> {
  const addresses = findStores(process.env, flags.dataDir);
  say(`looking at ${placeText(addresses)}`);
  const log = createLog({ name: 'doctor', level: 'silent' });
  const stores = openStores(addresses, log);
  try {
    const result = await runDoctor({ stores, log, say, actor: actorOf('doctor') }, flags);
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

process.exitCode = await runCommand({
  env: process.env,
  help: HELP,
  parse: parseFlags,
  run,
  codeOf: nothingCode,
});
