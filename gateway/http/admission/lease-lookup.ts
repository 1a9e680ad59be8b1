/** The lease of a session that is told of, or why there is none. */
import type { Queryable } from '../../../drizzle/client.ts';
import type { HttpDeps } from '../deps.ts';
import { recovering } from '../live-budgets.ts';
import { type KeyPrincipal, requireBackend } from '../principal.ts';
import { ProblemError } from '../problem.ts';
import { findSession, ofSeveral } from '../session-lookup.ts';
import { findLeases, type Lease, loadLease } from './lease.ts';

/** Throws 404 `sessionUnknown`, 409 `sessionHasSocket`. */
export async function requireLease(
  deps: HttpDeps,
  db: Queryable,
  org: string,
  session: string,
): Promise<Lease> {
  const lease = await loadLease(db, org, session);
  if (lease !== null) return lease;
  const known = await deps.meter.readSession(org, session);
  if (known.status === 'recover') throw recovering(deps, org);
  throw known.status === 'ok' ? hasSocket(session) : unknown(session);
}

/** Whose it is may be left out: its lease is there from its first moment, before the ledger has it. */
export async function leaseToEnd(
  deps: HttpDeps,
  db: Queryable,
  principal: KeyPrincipal,
  session: string,
  asked: string | undefined,
): Promise<Lease> {
  if (asked !== undefined) requireBackend(principal, asked);
  const leases = await findLeases(db, session, asked === undefined ? principal.orgs : [asked]);
  if (leases.length > 1) throw ofSeveral(session);
  if (leases[0] !== undefined) return leases[0];
  const found = await findSession({ ...deps, db }, principal, session, asked);
  return requireLease(deps, db, (found.live ?? found.ledger)!.org, session);
}

export function unknown(session: string): ProblemError {
  return new ProblemError(
    'sessionUnknown',
    `There is no session "${session}" without a socket here.`,
  );
}

export function hasSocket(session: string): ProblemError {
  return new ProblemError(
    'sessionHasSocket',
    `The session "${session}" is metered by its recorder's socket: nothing can be told of it here. POST /v1/sessions/${session}/stop stops it.`,
  );
}
