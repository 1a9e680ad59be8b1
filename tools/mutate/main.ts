/** `npm run mutate`: whether every guard would be missed. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../core/runtime/command.ts';
import { HELP, type MutateFlags, parseFlags } from './flags.ts';
import { rotten } from './mutations.ts';
import { runMutations } from './run-mutations.ts';
import { isGood, lineOf } from './verdict.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const WORKERS = 2;
const startMs = performance.now();

/** Standard output is for the result; how far it is goes beside it. */
function say(line: string): void {
  const seconds = Math.floor((performance.now() - startMs) / 1_000);
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  console.error(`taximeter: ${clock} ${line}`);
}

async function run({ mutations, isList, isJson }: MutateFlags): Promise<number> {
  if (isList) {
    for (const { name, rule, unguarded } of mutations) {
      console.log(`${name} (${rule}): without it ${unguarded}`);
    }
    return 0;
  }
  const found = rotten(mutations, ROOT);
  if (found.length > 0) {
    for (const line of found) console.error(`taximeter: ${line}`);
    return 1;
  }
  say(`${mutations.length} mutations, each in a copy of the project`);
  let done = 0;
  const verdicts = await runMutations(mutations, {
    ...{ root: ROOT, env: process.env, workers: WORKERS },
    ran(name) {
      done += 1;
      say(`${done}/${mutations.length} ${name}`);
    },
  });
  if (isJson) console.log(JSON.stringify(verdicts, null, 1));
  else {
    for (const verdict of verdicts) console.log(lineOf(verdict));
    const red = verdicts.filter(({ result }) => result === 'red').length;
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    console.log(`${red} of ${verdicts.length} guards would be missed, in ${seconds} s.`);
  }
  return isGood(verdicts) ? 0 : 1;
}

process.exitCode = await runCommand({ env: process.env, help: HELP, parse: parseFlags, run });
