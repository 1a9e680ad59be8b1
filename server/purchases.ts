/** Extra minutes that are bought: the calls of `Taximeter.purchases`. */
import type { CallOptions } from './call.ts';
import type { Answer, Ask, Body, Query } from './routes.ts';

const ALL = '/v1/orgs/{org}/extra-minutes/purchases';
const TOP_UP = '/v1/orgs/{org}/extra-minutes/top-up';
const ONE = '/v1/orgs/{org}/extra-minutes/purchases/{purchase}';

export type Purchase = Answer<'get', typeof ONE>;
export type PurchaseBody = Body<'post', typeof ALL>;

export function createPurchases(ask: Ask) {
  return {
    /**
     * Give `options.idempotencyKey` for what one click began: however often it is asked, it is one
     * purchase. Hand `clientSecret` or `checkoutUrl` to the buyer's browser.
     */
    begin: (org: string, body: PurchaseBody, options: CallOptions = {}) =>
      ask('post', ALL, { ...options, path: { org }, body }),
    /** Newest first, with those that were never paid. */
    list: (org: string, query: Query<'get', typeof ALL> = {}, options: CallOptions = {}) =>
      ask('get', ALL, { ...options, path: { org }, query }),
    get: (org: string, purchase: string, options: CallOptions = {}) =>
      ask('get', ONE, { ...options, path: { org, purchase } }),
    /** Only what nobody has paid. */
    cancel: (org: string, purchase: string, options: CallOptions = {}) =>
      ask('post', `${ONE}/cancel`, { ...options, path: { org, purchase } }),
    /** As the payment is submitted: minutes are lent until it is known what came of it. */
    hold: (org: string, purchase: string, options: CallOptions = {}) =>
      ask('post', `${ONE}/hold`, { ...options, path: { org, purchase } }),
    /** In development without keys of Stripe: no money moves. */
    payByTest: (
      org: string,
      purchase: string,
      body: Body<'post', `${typeof ONE}/test-payment`> = { outcome: 'paid' },
      options: CallOptions = {},
    ) => ask('post', `${ONE}/test-payment`, { ...options, path: { org, purchase }, body }),
    /** Automatic top-up: its settings, and how it goes. */
    topUp: (org: string, options: CallOptions = {}) =>
      ask('get', TOP_UP, { ...options, path: { org } }),
    /** Also ends a pause after failures. */
    putTopUp: (org: string, body: Body<'put', typeof TOP_UP>, options: CallOptions = {}) =>
      ask('put', TOP_UP, { ...options, path: { org }, body }),
    /** Hand `clientSecret` to the browser: there a card is saved, and nothing is charged. */
    setUpTopUp: (org: string, options: CallOptions = {}) =>
      ask('post', `${TOP_UP}/setup`, { ...options, path: { org } }),
  };
}
