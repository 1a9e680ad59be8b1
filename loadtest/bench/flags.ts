import { parseArgs } from 'node:util';
import { type Parameters, parametersOf } from '../projection/parameters.ts';
import { TARGET_IDS, TARGETS, type TargetId } from './targets.ts';

export interface BenchFlags {
  isQuick: boolean;
  /** all of them where none was named */
  wanted: ReadonlySet<TargetId>;
  isJson: boolean;
  reportFolder: string;
  /** a table of where the time goes, of gateway and Redis */
  isProfile: boolean;
  /** a report of an earlier run, to be projected to more sessions; null: none */
  projectedFile: string | null;
  /** parameters of the projection that are not the report's */
  given: Partial<Parameters>;
}

export const HELP = `Usage: npm run bench -- [flags]

Measures this product next to peers on this machine, in interleaved rounds, and says which of its
targets are met. Every figure is a ratio of what ran side by side; nothing compares across machines.
Exit code 1 when a target is missed or something went wrong. Run it on a machine that is else idle.

  --quick        fewer and shorter rounds: at most 5 minutes instead of 20
  --only P1,P4   only these targets
  --profile      instead: where the CPU time of a loaded gateway goes, as a table of self time
  --project FILE instead: what 1,000, 100,000 and 1,000,000 sessions would take, from the JSON
                 report of an earlier run (docs/scale.md)
  --with N=1,M=2 with --project: parameters by their names, prices for one
  --json         the result as JSON on standard output
  --report DIR   folder for the report, HTML and JSON (reports)
  --help         show this

Targets:
${TARGET_IDS.map((id) => `  ${id.padEnd(4)} ${TARGETS[id]}`).join('\n')}`;

/** Thrown for a flag that can't be used; the message is for a person. */
export class FlagError extends Error {
  override name = 'FlagError';
}

function parse(args: readonly string[]) {
  const yes = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ quick: yes, json: yes, profile: yes, help: { ...yes, short: 'h' } },
        only: { type: 'string', multiple: true },
        ...{ report: { type: 'string' }, project: { type: 'string' }, with: { type: 'string' } },
      },
      strict: true,
    }).values;
  } catch (error) {
    throw new FlagError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
}

function targetsOf(texts: readonly string[]): ReadonlySet<TargetId> {
  const names = texts.flatMap((text) => text.split(',')).map((name) => name.trim());
  return new Set(
    names.map((name) => {
      const id = TARGET_IDS.find((it) => it.toLowerCase() === name.toLowerCase());
      if (id) return id;
      throw new FlagError(`--only takes ${TARGET_IDS.join(', ')}, and was given "${name}".`);
    }),
  );
}

/**
 * Reads the flags of `npm run bench`, or answers 'help'.
 * @throws FlagError
 */
export function parseFlags(args: readonly string[]): BenchFlags | 'help' {
  const { quick, only, json, report, profile, project, with: given, help } = parse(args);
  if (help) return 'help';
  return {
    isQuick: quick === true,
    wanted: only === undefined ? new Set(TARGET_IDS) : targetsOf(only),
    isJson: json === true,
    reportFolder: report ?? 'reports',
    isProfile: profile === true,
    projectedFile: project ?? null,
    given: given === undefined ? {} : parametersOf(given),
  };
}
