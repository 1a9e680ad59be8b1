/** A session without a socket as it is answered: while the meter has it, and once the ledger has all. */
import { scopeOf } from '../../../core/meter/budget-name.ts';
import type { BudgetRow } from '../../../core/meter/rows.ts';
import type { Action } from '../../../core/protocol/messages.ts';
import type { Queryable } from '../../../drizzle/client.ts';
import { bindingOf } from '../../reading.ts';
import { withWait } from '../../wait-action.ts';
import type { HttpDeps } from '../deps.ts';
import { readLiveBudgets } from '../live-budgets.ts';
import { httpActionsOf, httpReadingOf } from '../reading.ts';
import { instant } from '../schemas.ts';
import type { LedgerSession } from '../session-ledger.ts';
import type { Lease } from './lease.ts';
import type { LeasedShown } from './leased-schema.ts';
import type { Told } from './total.ts';

const MS_PER_SECOND = 1_000;

export function shownLeased(deps: HttpDeps, lease: Lease, told: Told): LeasedShown {
  const { row, budgets, now, stop } = told;
  const { session, org, user, state, totalMs, chargedMs, overshootMs } = row;
  const stopper = budgets.find(({ name }) => name === row.stoppedBy);
  const binding = stopper ?? bindingOf(budgets)!;
  const reading = { ...httpReadingOf(binding, now), sessionMs: totalMs };
  return {
    ...{ session, org, user, state, startedAt: instant(row.startedAt) },
    ...{ minutesOf: lease.minutesOf, leaseSeconds: lease.leaseMs / MS_PER_SECOND },
    ...{ totalMs, chargedMs, overshootMs, stop: stop !== null, reason: stop, reading },
    actions: stopper === undefined ? [] : httpActionsOf(actionsOf(deps, stopper)),
  };
}

function actionsOf(deps: HttpDeps, stopper: BudgetRow): Action[] {
  if (stopper.stopReason === 'organizationSuspended') return [{ type: 'askAdmin' }];
  return withWait(deps.actions(scopeOf(stopper.name)), stopper);
}

/** @param db the request's own transaction, if it is in one */
export async function shownClosed(
  deps: HttpDeps,
  db: Queryable,
  lease: Lease,
  row: LedgerSession,
): Promise<LeasedShown> {
  const { org, user, minutesOf, leaseMs } = lease;
  const { id: session, recordedMs: totalMs, overshootMs, reason } = row;
  const { organization, member, at } = await readLiveBudgets(deps, org, user, db);
  const reading = httpReadingOf(bindingOf([organization, member!])!, at);
  return {
    ...{ session, org, user, state: 'ended', startedAt: instant(row.startedAt), minutesOf },
    ...{ leaseSeconds: leaseMs / MS_PER_SECOND, totalMs, chargedMs: totalMs - overshootMs },
    ...{
      overshootMs,
      stop: true,
      reason,
      reading: { ...reading, sessionMs: totalMs },
      actions: [],
    },
  };
}
