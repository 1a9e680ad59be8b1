/** Events: https://docs.stripe.com/api/events */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { list, text } from './parameters.ts';
import type { Route } from './route.ts';

/** "List events, going back up to 30 days." */
const KEPT_SECONDS = 30 * 86_400;

const kept = (account: Account) =>
  account.events.filter((it) => it.created > account.nowSeconds() - KEPT_SECONDS);

/** `charge.*` is fine too. */
export function isOfType(type: string, wanted: string): boolean {
  return (
    wanted === '*' ||
    wanted === type ||
    (wanted.endsWith('.*') && type.startsWith(wanted.slice(0, -1)))
  );
}

export const eventRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/events/:id',
    takes: [],
    answer: ({ account, id }) => find(new Map(kept(account).map((it) => [it.id, it])), id, 'event'),
  },
  {
    method: 'GET',
    path: '/v1/events',
    takes: ['type', 'types', 'delivery_success', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const type = text(params, 'type');
      const types = list(params, 'types').map(String);
      const fits = (it: Stripe.Event) =>
        (type === null || isOfType(it.type, type)) &&
        (types.length === 0 || types.some((wanted) => isOfType(it.type, wanted)));
      return page<Stripe.Event>('/v1/events', kept(account), params, fits);
    },
  },
];
