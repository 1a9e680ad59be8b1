/** `npm run rebuild`: adds everything that is derived of the minutes up again. */

import { runCommand } from '../../core/runtime/command.ts';
import { connect } from '../../drizzle/client.ts';
import { countText } from '../../worker/ledger/check/count-text.ts';
import { actorOf } from '../actor.ts';
import { findStores, nothingCode } from '../doctor/stores.ts';
import { HELP, parseFlags, type RebuildFlags } from './flags.ts';
import { type RebuildReport, runRebuild } from './run.ts';

const MOST_SHOWN = 50;

/** Standard output is for the result; with --json a program reads it. */
const say = (line: string): void => console.error(`taximeter: ${line}`);

/** Redis is not needed: the meter hears of what changed by its shard's recovery. */
function databaseUrl(dataDir: string): string {
  const { DATABASE_URL: url, REDIS_URL } = process.env;
  return url || findStores({ DATABASE_URL: url, REDIS_URL }, dataDir).databaseUrl;
}

function lines({ organizations, minutes, differences, isDryRun }: RebuildReport): string[] {
  const verb = isDryRun ? 'to put right' : 'put right';
  const rows = differences.reduce((sum, it) => sum + it.rows, 0);
  const rest = differences.length - MOST_SHOWN;
  return [
    ...differences
      .slice(0, MOST_SHOWN)
      .map((it) => `${it.org}: ${countText(it.rows, 'row')} ${verb} (${it.action})`),
    ...(rest > 0 ? [`... and ${rest} more: --json lists all.`] : []),
    `${countText(organizations, 'organization')} with ${countText(minutes, 'minute record')}: ${countText(rows, 'row')} ${verb}.`,
  ];
}

async function run(flags: RebuildFlags): Promise<number> {
  const options = { connections: 2, name: 'taximeter-rebuild', scope: 'worker' } as const;
  const database = connect(databaseUrl(flags.dataDir), options);
  try {
    const report = await runRebuild({ database, actor: actorOf('rebuild'), say }, flags);
    console.log(flags.isJson ? JSON.stringify(report, null, 1) : lines(report).join('\n'));
    return flags.isDryRun && report.differences.length > 0 ? 1 : 0;
  } finally {
    await database.stop();
  }
}

process.exitCode = await runCommand({
  env: process.env,
  help: HELP,
  parse: parseFlags,
  run,
  codeOf: nothingCode,
});
