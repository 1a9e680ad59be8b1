/** The flags of `npm run mutate`. */
import { FlagError, readArgs } from '../../core/runtime/command.ts';
import type { Mutation } from './mutation.ts';
import { MUTATIONS } from './mutations.ts';

export interface MutateFlags {
  mutations: readonly Mutation[];
  isList: boolean;
  isJson: boolean;
}

export const HELP = `Usage: npm run mutate -- [flags]

Takes the guards of the meter, the gateway and the ledger away, one at a time, each in a copy of the
project, and runs the tests that must notice. Exit code 1 when a guard can be missing unnoticed, when
its text is not there any more, or when its tests are red as it is.

  --only NAMES   only mutations of these names, or that begin so, with commas between them
  --list         show all names and what they take away
  --json         the result as JSON on standard output
  --help         show this`;

function named(text: string | undefined): readonly Mutation[] {
  if (text === undefined) return MUTATIONS;
  return text.split(',').flatMap((name) => {
    const exact = MUTATIONS.filter((mutation) => mutation.name === name);
    const found = exact.length > 0 ? exact : MUTATIONS.filter((it) => it.name.startsWith(name));
    if (name !== '' && found.length > 0) return found;
    throw new FlagError(`No mutation's name begins with "${name}"; --list shows all.`);
  });
}

/**
 * Reads them, or answers 'help'.
 * @throws FlagError
 */
export function parseFlags(args: readonly string[]): MutateFlags | 'help' {
  const flag = { type: 'boolean' } as const;
  const { values } = readArgs({
    args: [...args],
    options: { only: { type: 'string' }, list: flag, json: flag, help: flag },
    strict: true,
  });
  if (values.help === true) return 'help';
  return {
    mutations: [...new Set(named(values.only))],
    isList: values.list === true,
    isJson: values.json === true,
  };
}
