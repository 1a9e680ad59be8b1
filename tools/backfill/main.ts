/** `npm run backfill`: imports what a system built by hand has counted. */
import { readAddresses } from '../../core/runtime/addresses.ts';
import { FlagError } from '../../core/runtime/command.ts';
import { connect } from '../../drizzle/client.ts';
import { actorOf } from '../actor.ts';
import { ColumnError } from './columns.ts';
import { type BackfillFlags, HELP, parseFlags } from './flags.ts';
import { openSource } from './open-source.ts';
import { reportText } from './report.ts';
import { backfill } from './run.ts';
import { SourceError } from './source.ts';

const CUT_SHORT = 1;
const UNUSABLE = 2;
const CONNECTIONS = 3;

/** Standard output is for the report; with --json a program reads it. */
const say = (line: string): void => console.error(`taximeter: ${line}`);

/** The worker's login: it alone may settle, and it owns nothing. */
function findDatabase(dataDir: string): string {
  const url = process.env.DATABASE_URL || readAddresses(dataDir)?.databaseUrl;
  if (url) return url;
  throw new FlagError(
    `Nothing runs with the data folder ${dataDir}. Start it (npm start), name its folder with ` +
      '--data, or set DATABASE_URL to the address the worker uses.',
  );
}

async function run(flags: BackfillFlags): Promise<void> {
  const url = findDatabase(flags.dataDir);
  const { hostname: host, port, pathname, username } = new URL(url);
  const source = await openSource(flags);
  // A dry run keeps what it reads in a table of its connection.
  const connections = flags.isDryRun ? 1 : CONNECTIONS;
  const connection = connect(url, { connections, name: 'taximeter-backfill', scope: 'worker' });
  try {
    say(
      `from ${source.name} into ${host}:${port || 5432}${pathname} as ${username}` +
        `${flags.isDryRun ? ': a dry run, nothing is written' : ''}`,
    );
    const context = { connection, source, say, actor: actorOf('backfill'), wallMs: Date.now };
    const report = await backfill(context, flags);
    console.log(flags.isJson ? JSON.stringify(report, null, 1) : reportText(report));
  } finally {
    await source.stop();
    await connection.stop();
  }
}

// A reader that has gone (`npm run backfill | head`) is no reason to fail.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
try {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === 'help') console.log(HELP);
  else await run(flags);
} catch (error) {
  const isUnusable =
    error instanceof FlagError || error instanceof SourceError || error instanceof ColumnError;
  console.error(`taximeter: ${error instanceof Error ? error.message : String(error)}`);
  if (!isUnusable) {
    console.error('taximeter: it was cut short. Run it again: what is done is not done twice.');
    if (process.env.LOG_LEVEL === 'debug') console.error(error);
  }
  process.exitCode = isUnusable ? UNUSABLE : CUT_SHORT;
}
