import { resolve } from 'node:path';
import { readArgs } from '../../core/runtime/command.ts';
import { idFlag } from '../id-flag.ts';

export interface RebuildFlags {
  org: string | null;
  isDryRun: boolean;
  isJson: boolean;
  dataDir: string;
}

export const HELP = `Usage: npm run rebuild -- [flags]

Adds everything that is derived of the minutes up again: billing_periods' sums, monthly_usage_cache,
daily_usage, sessions.settled_ms, what each organization has drawn of its extra minutes; and counts
usage_quotas and daily_costs again. Reads usage_tracking, extra_minutes_usage, feature_consumptions and
usage_events, and writes none of them. May run while everything runs: each
organization is done under the lock of its shard. Rows that are right already are left alone.

  --org ID     only this organization
  --dry-run    say what differs, and change nothing
  --json       the result as JSON on standard output
  --data DIR   data folder of the "npm start" to look at (.taximeter in the project)
  --help       show this

DATABASE_URL names another database. The exit code is 0 when everything is equal to the minutes now, 1
when something differs still (with --dry-run) or could not be done, 2 when there is nothing to look at.`;

/** @throws FlagError */
export function parseFlags(args: readonly string[]): RebuildFlags | 'help' {
  const text = { type: 'string' } as const;
  const on = { type: 'boolean' } as const;
  const options = {
    ...{ org: text, data: text, json: on, 'dry-run': on },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = readArgs({ args: [...args], options, strict: true });
  if (values.help === true) return 'help';
  return {
    org: idFlag('org', values.org),
    isDryRun: values['dry-run'] === true,
    isJson: values.json === true,
    dataDir: resolve(values.data ?? '.taximeter'),
  };
}
