import type { Action } from '../../../core/protocol/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { ProblemError } from '../problem.ts';
import { httpActionsOf } from '../reading.ts';
import { instant } from '../schemas.ts';
import { centsOf, costRefused, type DayCost } from './cost.ts';

type Offers = Pick<HttpDeps, 'actions'>;

export function ceilingActions(offers: Offers, resetsAt: number): Action[] {
  return [...offers.actions('day'), { type: 'wait', until: resetsAt }];
}

export function ceilingReached(offers: Offers, org: string, cost: DayCost): ProblemError {
  const { day, usedMicros, limitCents, resetsAt } = cost;
  return new ProblemError(
    'costCeilingReached',
    `"${org}" has spent ${centsOf(usedMicros)} of ${limitCents} cents on ${day}: nothing more is ` +
      `allowed before ${instant(resetsAt)}. A higher dailyCostCents of its plan helps at once. What ` +
      'was spent all the same is recorded without "enforce".',
    { actions: httpActionsOf(ceilingActions(offers, resetsAt)), figures: costRefused(cost) },
  );
}

export function eventIdReused(id: string): ProblemError {
  return new ProblemError(
    'eventIdReused',
    `The event "${id}" was recorded before with other content. Nothing of this request is recorded: ` +
      'give each event an id of its own, and send a repeated one as it was.',
  );
}
