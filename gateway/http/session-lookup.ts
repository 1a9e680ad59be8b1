/** One session by its id, from both stores, for a caller who may see it. */
import type { SessionRow } from '../../core/meter/rows.ts';
import type { Queryable } from '../../drizzle/client.ts';
import type { HttpDeps } from './deps.ts';
import { recovering } from './live-budgets.ts';
import { type Principal, requireOrganization } from './principal.ts';
import { ProblemError } from './problem.ts';
import {
  findSessions,
  type LedgerSession,
  settledBySource,
  summaryOf,
  summaryOfLive,
} from './session-ledger.ts';
import type { SessionSummary } from './session-schema.ts';

/** `db`: the caller's transaction, if it is in one: a second connection could wait for ever. */
type Deps = Pick<HttpDeps, 'meter' | 'recoveryNeeded'> & { db: Queryable };

/** A session as both stores know it; at least one of them does. */
export type Found =
  | { ledger: LedgerSession; live: SessionRow | null }
  | { ledger: null; live: SessionRow };

/**
 * Finds one session that the caller may see. Ids are unique in an organization, not across them.
 * @param asked the organization that the caller names, if it does
 */
export async function findSession(
  deps: Deps,
  principal: Principal,
  session: string,
  asked: string | undefined,
): Promise<Found> {
  if (asked !== undefined) requireOrganization(principal, asked);
  const visible = principal.kind === 'ticket' ? [principal.claims.org] : principal.orgs;
  const orgs = asked === undefined ? visible : [asked];
  const rows = await findSessions(deps.db, session, orgs);
  if (rows.length > 1) throw ofSeveral(session);
  let ledger = rows[0] ?? null;
  const org = ledger?.org ?? (orgs?.length === 1 ? orgs[0]! : undefined);
  const live = org === undefined ? null : await readLive(deps, org, session, ledger);
  if (org !== undefined && live === null && ledger?.state !== 'closed') {
    // What the meter has let go of since the ledger was read, the ledger has now: all of it.
    ledger = (await findSessions(deps.db, session, [org]))[0] ?? null;
  }
  if (ledger === null && live === null) throw unknown(session, asked);
  const found = { ledger, live } as Found;
  const { user } = (live ?? ledger)!;
  if (principal.kind === 'ticket' && user !== principal.claims.user) throw unknown(session, asked);
  return found;
}

async function readLive(
  deps: Deps,
  org: string,
  session: string,
  ledger: LedgerSession | null,
): Promise<SessionRow | null> {
  if (ledger?.state === 'closed') return null;
  const reply = await deps.meter.readSession(org, session);
  if (reply.status === 'recover') throw recovering(deps, org);
  return reply.status === 'ok' ? reply.session : null;
}

export async function shown(db: Queryable, { ledger, live }: Found): Promise<SessionSummary> {
  if (ledger === null) return summaryOfLive(live);
  return summaryOf(ledger, (await settledBySource(db, [ledger])).get(ledger.id), live);
}

export function ofSeveral(session: string): ProblemError {
  return new ProblemError(
    'invalid',
    `Several organizations have a session "${session}": say whose, with ?org=.`,
    { errors: [{ pointer: '/org', detail: 'is needed for this id' }] },
  );
}

function unknown(session: string, asked: string | undefined): ProblemError {
  return new ProblemError(
    'sessionUnknown',
    asked === undefined
      ? `There is no session "${session}" here. In its first second it is found with ?org= only.`
      : `There is no session "${session}" in "${asked}".`,
  );
}
