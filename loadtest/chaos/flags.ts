/** The flags of `npm run chaos`. */
import { parseArgs } from 'node:util';
import { FlagError } from '../../core/runtime/command.ts';

export interface ChaosFlags {
  seed: number;
  rounds: number;
  /** play this one alone, counted from 1 */
  round: number | null;
  seconds: number;
  sessions: number;
  organizations: number;
  gateways: number;
  workers: number;
  faultsPerMinute: number;
  /** names of faults, or the beginning of them; none: all */
  only: string[];
  isJson: boolean;
  isKept: boolean;
  reportFolder: string;
}

export const HELP = `Usage: npm run chaos -- [flags]

The whole product under faults: gateways, workers, Redis and Postgres are killed, frozen, put back to
older data, emptied, failed over; wires between them are cut, stalled, half open, slow; answers of
commits are lost, queues wiped, clocks stepped. Recorders keep logs of their own all the while. After
each round everything is put right and settles; then every session is audited against them, to the
millisecond. Exit code 1 when something was lost, doubled or charged past a limit.

  --seed N           same seed, same recorders and faults (1)
  --rounds R         rounds (3); each prints how to play it again
  --round K          only round K of this seed
  --seconds S        of recording in a round (40)
  --sessions N       recorders of a round (40)
  --organizations N  over which they are spread (8)
  --gateways N       gateway processes (3)
  --workers N        worker processes (2)
  --faults RATE      faults a minute (45)
  --only NAMES       only faults whose name begins so, with commas between them; --only list shows all
  --report DIR       folder for the report, HTML and JSON (reports)
  --json             the result as JSON on standard output
  --keep             keep the data folder with stores and logs
  --help             show this`;

function whole(flag: string, text: string | undefined, usual: number, least: number, most: number) {
  if (text === undefined) return usual;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new FlagError(
    `--${flag} must be a whole number from ${least} to ${most}, and is "${text}".`,
  );
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ seed: text, rounds: text, round: text, seconds: text, sessions: text, only: text },
        ...{ organizations: text, gateways: text, workers: text, faults: text, report: text },
        ...{ json: { type: 'boolean' }, keep: { type: 'boolean' } },
        help: { type: 'boolean', short: 'h' },
      },
      strict: true,
    }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw new FlagError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
}

/**
 * Reads them, or answers 'help'.
 * @throws FlagError
 */
export function parseFlags(args: readonly string[]): ChaosFlags | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const text = (flag: string) => values[flag] as string | undefined;
  const read = (flag: string, usual: number, least: number, most: number) =>
    whole(flag, text(flag), usual, least, most);
  const sessions = read('sessions', 40, 1, 2_000);
  return {
    seed: read('seed', 1, 0, 2 ** 32 - 1),
    rounds: read('rounds', 3, 1, 10_000),
    round: text('round') === undefined ? null : read('round', 1, 1, 10_000),
    ...{ seconds: read('seconds', 40, 8, 3_600), sessions },
    organizations: Math.min(sessions, read('organizations', 8, 1, 500)),
    ...{ gateways: read('gateways', 3, 2, 8), workers: read('workers', 2, 1, 8) },
    faultsPerMinute: read('faults', 45, 0, 600),
    only: (text('only') ?? '').split(',').filter((it) => it !== ''),
    ...{ isJson: values.json === true, isKept: values.keep === true },
    reportFolder: text('report') ?? 'reports',
  };
}
