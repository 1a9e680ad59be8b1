import { resolve } from 'node:path';
import { FlagError, readArgs } from '../../core/runtime/command.ts';
import { idFlag } from '../id-flag.ts';

export interface DoctorFlags {
  org: string | null;
  user: string | null;
  isJson: boolean;
  isFix: boolean;
  isDryRun: boolean;
  dataDir: string;
}

export const HELP = `Usage: npm run doctor -- [flags]

Looks at everything that can be wrong with the counted time and says it in plain words: live counters,
unsettled minutes, the ledger, lots, periods, sessions, queues, Redis and Postgres. Changes nothing
unless told to. What each code means is in docs/doctor.md.

  --org ID     only this organization, with its figures
  --user ID    only this member's organizations, with the member's figures
  --fix        repair what can be repaired, each step with an entry in audit_log;
               purchased minutes are never touched
  --dry-run    with --fix: say what would be done, and do nothing
  --json       the findings as JSON on standard output
  --data DIR   data folder of the "npm start" to look at (.taximeter in the project)
  --help       show this

REDIS_URL and DATABASE_URL name stores to look at instead. The exit code is 0 when all is well, 1 when
something is wrong or could not be looked at, 2 when there is nothing to look at.`;

/** @throws FlagError */
export function parseFlags(args: readonly string[]): DoctorFlags | 'help' {
  const text = { type: 'string' } as const;
  const on = { type: 'boolean' } as const;
  const options = {
    ...{ org: text, user: text, data: text, json: on, fix: on, 'dry-run': on },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = readArgs({ args: [...args], options, strict: true });
  if (values.help === true) return 'help';
  if (values['dry-run'] === true && values.fix !== true) {
    throw new FlagError('--dry-run says what --fix would do: give both.');
  }
  return {
    org: idFlag('org', values.org),
    user: idFlag('user', values.user),
    isJson: values.json === true,
    isFix: values.fix === true,
    isDryRun: values['dry-run'] === true,
    dataDir: resolve(values.data ?? '.taximeter'),
  };
}
