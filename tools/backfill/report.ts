import { countText } from '../../worker/ledger/check/count-text.ts';
import { exactText } from '../../worker/ledger/check/duration-text.ts';
import type { Noted } from './forecast.ts';
import type { BackfillReport } from './run.ts';

/** --json has all. */
const MOST_MONTHS = 40;
const MOST_DIFFERENCES = 10;
const MINUTE_MS = 60_000;

const minutes = (ms: number) => (ms / MINUTE_MS).toFixed(ms % MINUTE_MS === 0 ? 0 : 2);

function noteLines(what: string, { count, examples }: Noted): string[] {
  if (count === 0) return [];
  return [`  ${count} ${what}`, ...examples.map((it) => `    ${it}`)];
}

function monthLines({ forecast, isDryRun }: BackfillReport): string[] {
  const { months } = forecast;
  if (months.length === 0) return ['The ledger has all of it already.'];
  const ms = months.reduce((sum, it) => sum + it.ms, 0);
  const head = isDryRun ? 'Would come into the ledger' : 'Came into the ledger';
  const rest = months.length - MOST_MONTHS;
  return [
    `${head}: ${minutes(ms)} minutes, by organization and month`,
    ...months.slice(0, MOST_MONTHS).map(({ org, month, rows, sessions, ms: mine }) => {
      return `  ${month}  ${org}: ${minutes(mine)} min of ${countText(rows, 'row')}, ${countText(sessions, 'session')}`;
    }),
    ...(rest > 0 ? [`  ... and ${rest} more: --json lists all.`] : []),
  ];
}

/** Nothing where there is nothing to say. */
const headed = (head: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : [head, ...lines, ''];

function skipLines({ skipped }: BackfillReport): string[] {
  return skipped.flatMap(({ rows, kind, says, examples }) => [
    `  ${rows} ${says} (${kind})`,
    ...examples.map((it) => {
      return `    ${it.table} line ${it.line}${it.says === '' ? '' : `: ${it.says}`}`;
    }),
  ]);
}

function knownLines({ forecast, usage, sessions }: BackfillReport): string[] {
  const bare = (count: number) => ({ count, examples: [] });
  return [
    ...noteLines('minutes of a session with more than 60 s', forecast.crowded),
    ...noteLines('minutes in which a user has several sessions', forecast.overlapping),
    ...noteLines('times that clocks showed twice: the first was meant', bare(usage.ambiguous)),
    ...noteLines('sessions without a minute', bare(sessions.withoutUsage)),
    ...noteLines('sessions whose own duration is another than their minutes', {
      count: sessions.differing,
      examples: sessions.examples.map((it) => `${it.session}: ${it.says}`),
    }),
  ];
}

function cacheLines({ cache }: BackfillReport): string[] {
  if (cache === null) return [];
  const { compared, agreeing, differences } = cache;
  const rest = compared - agreeing - Math.min(differences.length, MOST_DIFFERENCES);
  return [
    `Its own monthly sums: ${agreeing} of ${compared} agree with its rows`,
    ...differences.slice(0, MOST_DIFFERENCES).map((it) => {
      const whose = [it.org, it.user].filter((name) => name !== '').join(' ');
      return `  ${it.month}  ${whose}: it says ${minutes(it.sourceMs)} min, its ${it.rows} rows come to ${minutes(it.rowsMs)} min`;
    }),
    ...(rest > 0 ? [`  ... and ${rest} more: --json lists them.`] : []),
  ];
}

/** For a person. */
export function reportText(report: BackfillReport): string {
  const { isDryRun, tables, accounts, lots, usage, written, rejects } = report;
  const would = isDryRun ? 'would be ' : '';
  const lines = [
    isDryRun ? `Dry run of ${report.source}: nothing was written.` : `Imported ${report.source}.`,
    ...tables.map(({ kind, name, rows }) => `  ${kind}: ${countText(rows, 'row')} of ${name}`),
    '',
    `Rows of usage: ${usage.taken} ${would}taken, ${usage.raised} ${would}raised`,
    `Accounts: ${countText(accounts.organizations, 'organization')} and ${countText(accounts.members, 'member')} ${would}made`,
    `Lots: ${lots.made} ${would}made with ${exactText(lots.grantedMs)}, of which ${exactText(lots.leftMs)} are left`,
    ...(lots.lowered > 0
      ? [
          `  ${lots.lowered} ${would}lowered by ${exactText(lots.loweredMs)} that were used there since`,
        ]
      : []),
    '',
    ...monthLines(report),
    ...(written === null
      ? []
      : [
          `  plan ${minutes(written.planMs)}, extra ${minutes(written.extraMs)}, beyond both ${minutes(written.overageMs)} min; ${countText(written.periods, 'period')} made`,
        ]),
    '',
    ...headed('Not taken, or not as it stands', skipLines(report)),
    ...headed('Taken, and to be known', knownLines(report)),
    ...cacheLines(report),
    ...rejects.map(
      (path) => `Rejected rows are in ${path}, with the reason in their last columns.`,
    ),
    `It took ${(report.tookMs / 1000).toFixed(1)} s.`,
  ];
  return lines.join('\n');
}
