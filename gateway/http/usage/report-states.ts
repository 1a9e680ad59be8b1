/** The states of sessions in a report, in the words of the API's sessions. */
import type { SessionRow } from '../../../core/meter/rows.ts';
import type { HttpDeps } from '../deps.ts';
import { summaryOfLive } from '../session-ledger.ts';
import type { SessionSummary } from '../session-schema.ts';
import type { ReportRow } from './report-rows.ts';

type Deps = Pick<HttpDeps, 'meter' | 'log'>;

/**
 * What the ledger has as ended stays so. Of one that is open there the meter knows more: whether it is
 * recording now, or has ended a moment ago. Where the meter can't be asked, or has not got it, nobody is
 * connected to it as far as anyone knows: `detached`, as a list of sessions says. Figures are the ledger's.
 */
export async function withStates(deps: Deps, org: string, rows: ReportRow[]): Promise<ReportRow[]> {
  const open = rows.filter(({ state }) => state === 'live').map(({ of }) => of!);
  const live = open.length === 0 ? new Map<string, SessionRow>() : await liveOf(deps, org, open);
  return rows.map((row) => {
    if (row.state === null) return row;
    const ended: SessionSummary['state'] = row.state === 'live' ? 'detached' : 'ended';
    const here = row.state === 'live' ? live.get(row.of!) : undefined;
    if (here === undefined) return { ...row, state: ended };
    const { state, reason } = summaryOfLive(here);
    return { ...row, state, reason, endsAt: here.endedAt === 0 ? null : here.endedAt };
  });
}

async function liveOf(
  { meter, log }: Deps,
  org: string,
  open: readonly string[],
): Promise<Map<string, SessionRow>> {
  const found = new Map<string, SessionRow>();
  try {
    const live = await meter.liveSessions(org);
    if (live.status !== 'ok') return found;
    for (const row of live.sessions) found.set(row.session, row);
    for (const session of open) {
      if (found.has(session)) continue;
      const reply = await meter.readSession(org, session);
      if (reply.status === 'ok') found.set(session, reply.session);
    }
  } catch (error) {
    // A report is of the ledger: it is had without the meter, too.
    log.warn({ err: error, org }, 'a report does not know which sessions are live');
  }
  return found;
}
