import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { FlagError } from '../core/runtime/command.ts';

export interface LoadFlags {
  preset: string | null;
  sessions: number;
  /** recorders with a limited budget of their own, beside those that share */
  alone: number;
  seconds: number;
  rampSeconds: number;
  /** null: spread over the ramp; else recorders of an organization join this close together */
  joinSpreadMs: number | null;
  gateways: number;
  intervalMs: number;
  organizations: number;
  /** quota of a limited plan, in seconds of use; 0: no limits */
  limitSeconds: number;
  /** part of the organizations whose plan is limited, 0 to 1 */
  limited: number;
  /** a session and minute */
  dropsPerMinute: number;
  pausesPerMinute: number;
  seed: number;
  generators: number;
  /** on a Redis Cluster of three primaries, each with a replica */
  isCluster: boolean;
  isJson: boolean;
  reportFolder: string;
  urls: string[];
  apiKey: string;
  isKept: boolean;
}

type Preset = Partial<LoadFlags>;
const PRESETS: Readonly<Record<string, Preset>> = {
  // Ten sessions on two gateways share 30 s, and some have 30 s to themselves; ticks come too rarely
  // to help, so that warnings and stops stand on deadlines and probes alone.
  limit: {
    ...{ sessions: 100, organizations: 10, alone: 20, limitSeconds: 30, limited: 1 },
    ...{ gateways: 2, intervalMs: 30_000, seconds: 35, rampSeconds: 15, joinSpreadMs: 500 },
    ...{ dropsPerMinute: 0, pausesPerMinute: 0 },
  },
  thousand: {
    ...{ sessions: 1_000, organizations: 100, gateways: 2, seconds: 60, rampSeconds: 30 },
    ...{ dropsPerMinute: 1, pausesPerMinute: 0.5 },
  },
};

const SESSIONS_A_GENERATOR = 1_000;
/** Of what a limited organization's recorders would use if nothing stopped them. */
const DEFAULT_LIMIT_SHARE = 0.6;

export const HELP = `Usage: npm run loadtest -- [flags]

Simulated recorders on real sockets, each with a log of its own, against the whole product; then an
audit that compares recorder, meter and ledger to the millisecond. Exit code 1 when it does not hold.

  --preset NAME      limit: warnings and stops of a plan of 30 s, also shared by ten on two gateways
                     thousand: 1,000 sessions, 60 s, drops and resumes. Other flags still count
  --sessions N       recorders (200)
  --alone N          more recorders, each with a limited budget of its own (0)
  --seconds S        how long they record once all have joined (30)
  --ramp S           over how long they join (5)
  --gateways N       gateway processes (2)
  --cluster          on a Redis Cluster: three primaries, each with a replica
  --interval MS      between two ticks (5000)
  --organizations N  over which the sessions are spread; those of one share its budget (20)
  --limit-seconds S  quota of a limited plan, in seconds of use; 0 = no limits
                     (so that it runs out at ${DEFAULT_LIMIT_SHARE * 100} % of the run)
  --limited SHARE    part of the organizations on a limited plan, 0 to 1 (0.5)
  --drops RATE       lost sockets, a session and minute, resumed on any gateway (0.5)
  --pauses RATE      pauses, a session and minute (0.5)
  --seed N           same seed, same script of joins, pauses, drops and stops (1)
  --generators N     processes that simulate (one for ${SESSIONS_A_GENERATOR} sessions)
  --report DIR       folder for the report, HTML and JSON (reports)
  --json             the result as JSON on standard output
  --keep             keep the data folder with stores and logs
  --url URL          a running product instead of one of our own; repeat it for several gateways.
                     REDIS_URL and DATABASE_URL (the workers') name its stores, for the audit
  --api-key KEY      for --url (dev-key)
  --help             show this`;

function numberOf(flag: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= minimum && value <= maximum) return value;
  throw new FlagError(
    `--${flag} must be a number from ${minimum} to ${maximum}, and is "${text}".`,
  );
}

function wholeOf(flag: string, text: string, minimum: number, maximum: number): number {
  const value = numberOf(flag, text, minimum, maximum);
  if (Number.isInteger(value)) return value;
  throw new FlagError(`--${flag} must be a whole number, and is "${text}".`);
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ preset: text, sessions: text, alone: text, seconds: text, ramp: text },
        ...{ gateways: text, interval: text, organizations: text, 'limit-seconds': text },
        ...{ limited: text, drops: text, pauses: text, seed: text, generators: text },
        ...{ report: text, json: yes, keep: yes, cluster: yes, 'api-key': text },
        url: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
      strict: true,
    }).values as Record<string, string | boolean | undefined> & { url?: string[] };
  } catch (error) {
    throw new FlagError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
}

function presetOf(name: string | undefined): Preset {
  const preset = name === undefined ? {} : PRESETS[name];
  if (preset) return preset;
  throw new FlagError(`--preset must be ${Object.keys(PRESETS).join(' or ')}, and is "${name}".`);
}

/**
 * Reads the flags of `npm run loadtest`, or answers 'help'.
 * @throws FlagError
 */
export function parseFlags(args: readonly string[]): LoadFlags | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const given = (flag: string) => values[flag] as string | undefined;
  const preset = presetOf(given('preset'));
  type Reader = typeof numberOf;
  const read = (
    flag: string,
    known: number | undefined,
    to: number,
    least = 0,
    as: Reader = wholeOf,
  ) => {
    const text = given(flag);
    return text === undefined ? known : as(flag, text, least, to);
  };
  const sessions = read('sessions', preset.sessions, 50_000) ?? 200;
  const alone = read('alone', preset.alone, 10_000) ?? 0;
  if (sessions + alone === 0) throw new FlagError('--sessions and --alone are both 0: no load.');
  const asked = read('organizations', preset.organizations, 10_000, 1) ?? 20;
  const organizations = Math.min(asked, sessions);
  const seconds = read('seconds', preset.seconds, 86_400, 1, numberOf) ?? 30;
  const useSeconds = (seconds * sessions) / Math.max(1, organizations);
  return {
    preset: given('preset') ?? null,
    ...{ sessions, alone, organizations, seconds },
    rampSeconds: read('ramp', preset.rampSeconds, 3_600, 0, numberOf) ?? 5,
    joinSpreadMs: preset.joinSpreadMs ?? null,
    gateways: read('gateways', preset.gateways, 16, 1) ?? 2,
    intervalMs: read('interval', preset.intervalMs, 3_600_000, 100) ?? 5_000,
    limitSeconds:
      read('limit-seconds', preset.limitSeconds, 1e6, 0, numberOf) ??
      Math.max(1, Math.round(useSeconds * DEFAULT_LIMIT_SHARE)),
    limited: read('limited', preset.limited, 1, 0, numberOf) ?? 0.5,
    dropsPerMinute: read('drops', preset.dropsPerMinute, 60, 0, numberOf) ?? 0.5,
    pausesPerMinute: read('pauses', preset.pausesPerMinute, 60, 0, numberOf) ?? 0.5,
    seed: read('seed', undefined, 2 ** 32 - 1) ?? 1,
    generators:
      read('generators', undefined, 64, 1) ??
      Math.min(cpus().length, Math.ceil((sessions + alone) / SESSIONS_A_GENERATOR)),
    isCluster: values.cluster === true,
    isJson: values.json === true,
    reportFolder: given('report') ?? 'reports',
    urls: values.url ?? [],
    apiKey: given('api-key') ?? 'dev-key',
    isKept: values.keep === true,
  };
}
