/** The flags of `npm run simulate`. */
import { FlagError, readArgs } from '../../core/runtime/command.ts';
import { KINDS, type Kind } from './kinds.ts';

export interface SimulateFlags {
  seed: number;
  schedules: number;
  kinds: readonly Kind[];
  isJson: boolean;
}

export const HELP = `Usage: npm run simulate -- [flags]

Random schedules on a virtual clock, every one from a seed: the meter's rules against an oracle, the
scripts in Redis against the model, whole gateways under faults, and meter and ledger cores together.
Exit code 1 when one fails: it is cut down to few steps, and told with the command that replays it.

  --seed N        same seed, same schedules (1)
  --schedules N   schedules in all, shared out between the kinds (100000)
  --only KINDS    only these, with commas between them: ${KINDS.map(({ name }) => name).join(', ')}
  --json          the result as JSON on standard output
  --help          show this`;

function whole(flag: string, text: string | undefined, usual: number, least: number, most: number) {
  if (text === undefined) return usual;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new FlagError(
    `--${flag} must be a whole number from ${least} to ${most}, and is "${text}".`,
  );
}

function kindsOf(text: string | undefined): readonly Kind[] {
  if (text === undefined) return KINDS;
  return text.split(',').map((name) => {
    const found = KINDS.find((kind) => kind.name === name);
    if (found !== undefined) return found;
    const names = KINDS.map((kind) => kind.name).join(', ');
    throw new FlagError(`--only takes ${names}, and was given "${name}".`);
  });
}

/**
 * Reads them, or answers 'help'.
 * @throws FlagError
 */
export function parseFlags(args: readonly string[]): SimulateFlags | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = readArgs({
    args: [...args],
    options: { seed: text, schedules: text, only: text, json: flag, help: flag },
    strict: true,
  });
  if (values.help === true) return 'help';
  return {
    seed: whole('seed', values.seed, 1, 0, 2 ** 32 - 1),
    schedules: whole('schedules', values.schedules, 100_000, 1, 100_000_000),
    kinds: kindsOf(values.only),
    isJson: values.json === true,
  };
}
