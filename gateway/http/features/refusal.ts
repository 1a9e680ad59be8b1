/** What a refused consumption is told, and what would help. */
import type { Action } from '../../../core/protocol/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { ProblemError } from '../problem.ts';
import { httpActionsOf } from '../reading.ts';
import { instant } from '../schemas.ts';
import { bindingCount, type PieceCount, remainingOf, type Scope } from './piece-limit.ts';
import { piecesRefused, piecesShown } from './piece-schema.ts';

/** What somebody asked for. */
export interface Wanted {
  org: string;
  user: string;
  feature: string;
  quantity: number;
}

type Offers = Pick<HttpDeps, 'actions'>;

/** @param resetsAt epoch ms, where waiting helps, too */
export function featureActions(offers: Offers, scope: Scope, resetsAt: number | null): Action[] {
  // Nobody can buy their way past a limit that an admin gave to one member.
  const offered = offers.actions(scope === 'member' ? 'member' : 'feature');
  return resetsAt === null ? offered : [...offered, { type: 'wait', until: resetsAt }];
}

export function suspended(org: string): ProblemError {
  return new ProblemError(
    'organizationSuspended',
    `The organization "${org}" is suspended: nothing is counted for it until it is not.`,
  );
}

export function denied(offers: Offers, wanted: Wanted, plan: string, scope: Scope): ProblemError {
  const { org, user, feature } = wanted;
  const detail =
    scope === 'organization'
      ? `The plan "${plan}" of "${org}" has no feature "${feature}". A plan that has it helps.`
      : `"${user}" may not use the feature "${feature}" in "${org}". An admin can allow it.`;
  return new ProblemError('featureNotAllowed', detail, {
    actions: httpActionsOf(featureActions(offers, scope, null)),
    figures: { binding: 'feature', scope },
  });
}

/** @param full the counts that have no room for all of it */
export function usedUp(
  offers: Offers,
  { org, user, feature, quantity }: Wanted,
  full: readonly PieceCount[],
): ProblemError {
  const count = bindingCount(full);
  const { scope, per, used, limit, resetsAt } = count;
  const whose = scope === 'organization' ? `"${org}"` : `"${user}" in "${org}"`;
  const asked = quantity === 1 ? 'one more was' : `${quantity} were`;
  return new ProblemError(
    'limitReached',
    `${used} of ${limit} pieces of "${feature}" are used by ${whose} ${per === 'day' ? 'today' : 'this month'}, ` +
      `${remainingOf(count)} remain, and ${asked} asked for. ` +
      `They come back at ${instant(resetsAt)}; a higher limit helps at once.`,
    {
      actions: httpActionsOf(featureActions(offers, scope, resetsAt)),
      figures: piecesRefused(piecesShown(feature, full)),
    },
  );
}
