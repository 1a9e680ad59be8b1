/**
 * `open` for a request: all that it asks of Postgres it asks in the request's own transaction, for a
 * second connection could wait for ever.
 */
import type { LedgerBase } from '../../../core/meter/rows.ts';
import type { Queryable } from '../../../drizzle/client.ts';
import { loadSeeds } from '../../../drizzle/queries/load-seeds.ts';
import { loadSessionBase } from '../../../drizzle/queries/load-session-base.ts';
import { loadStarts } from '../../../drizzle/queries/load-starts.ts';
import { createOpening, type Open } from '../../opening.ts';
import { createSeeding, type Seeding } from '../../seeding.ts';
import type { HttpDeps } from '../deps.ts';

type Deps = Pick<HttpDeps, 'meter' | 'now' | 'meterNow' | 'recoveryNeeded'>;

export function seedingWithin(deps: Deps, db: Queryable): Seeding {
  const ledger = { seeds: (org: string, names: string[]) => loadSeeds(db, org, names) };
  return createSeeding({ ledger, meter: deps.meter, told: () => {} });
}

/** `fallback`: of a session that the ledger does not know, and that is known to have begun. */
export function openingWithin(
  deps: Deps,
  db: Queryable,
  fallback: { user: string; base: LedgerBase } | null = null,
): Open {
  const known = fallback && { ...fallback, closedAt: null };
  return createOpening({
    meter: deps.meter,
    seeding: seedingWithin(deps, db),
    ledger: {
      base: async (org, session) => (await loadSessionBase(db, org, session)) ?? known,
      starts: (org, since) => loadStarts(db, org, since),
    },
    clock: { monotonicMs: () => performance.now(), wallMs: deps.now },
    now: () => Math.floor(deps.meterNow()),
    needed: deps.recoveryNeeded,
    outageTold: async () => {},
    answered: () => {},
    unanswered: () => {},
  });
}
