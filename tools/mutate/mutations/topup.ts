/** Minutes that are bought by themselves, overage that is reported, invoices that are not paid. */
import type { Mutation } from '../mutation.ts';

const TOP_UP = ['worker/jobs/top-up.test.ts'];
const BROKEN = ['worker/top-up/carry-out.test.ts'];
const OVERAGE = ['worker/jobs/overage.test.ts'];

export const TOPUP: readonly Mutation[] = [
  {
    name: 'top-up-cap',
    rule: 'a monthly cap',
    unguarded: 'a top-up goes past what is allowed in a month',
    file: 'worker/top-up/begin.ts',
    text: 'if (month.cents + offer.priceCents > row.monthlyCapCents) {',
    replacement: 'if (month.cents < 0) {',
    tests: TOP_UP,
  },
  {
    name: 'top-up-cool-off',
    rule: 'a cool-off between attempts',
    unguarded: 'one top-up follows the other at once',
    file: 'worker/top-up/begin.ts',
    text: 'now >= row.lastAt + row.coolOffMs',
    replacement: 'now >= row.lastAt',
    tests: TOP_UP,
  },
  {
    name: 'top-up-intent',
    rule: 'no money but by the one intent that is taken down',
    unguarded: 'a top-up at which Stripe broke is paid a second time',
    file: 'worker/top-up/intent.ts',
    text: 'payment_method: row.paymentMethod! },\n        // Nobody',
    replacement:
      'payment_method: row.paymentMethod!, confirm: true, off_session: true },\n        // Nobody',
    tests: BROKEN,
  },
  {
    name: 'top-up-late',
    rule: 'no top-up a day after it was needed',
    unguarded: 'a top-up that had no answer is charged when Stripe is back, whenever that is',
    file: 'worker/top-up/intent.ts',
    text: 'isUntried(intent) && isWanted && ',
    replacement: 'isUntried(intent) && ',
    tests: BROKEN,
  },
  {
    name: 'top-up-off',
    rule: 'off after three failures',
    unguarded: 'a card that is declined is tried for ever',
    file: 'worker/top-up/carry-out.ts',
    text: 'enabled: row.enabled && failures < MOST_FAILURES,',
    replacement: 'enabled: row.enabled,',
    tests: TOP_UP,
  },
  {
    name: 'overage-doubt',
    rule: 'what Stripe may have is not said again after a day',
    unguarded: 'overage is reported again when Stripe has forgotten its name',
    file: 'worker/overage/send.ts',
    text: 'if (wallMs() - row.firstTriedAt! > SURE_MS) return giveUp(deps, row);',
    replacement: '',
    tests: OVERAGE,
  },
  {
    name: 'overage-taken-back',
    rule: 'only within a day',
    unguarded: 'overage that was reported long ago is taken for taken back',
    file: 'worker/overage/append.ts',
    text: 'gt(sentAt, wall - CANCELLABLE_MS)',
    replacement: 'gt(sentAt, 0)',
    tests: OVERAGE,
  },
  {
    name: 'grace-mode',
    rule: 'no overage after the grace',
    unguarded: 'an organization goes on with overage that it does not pay for',
    file: 'worker/jobs/payment-grace.ts',
    text: 'await applyLimits(tx, orgs, now);',
    replacement: '',
    tests: ['worker/jobs/payment-grace.test.ts'],
  },
  {
    name: 'invoice-settled',
    rule: 'what is paid stays so',
    unguarded: 'a failure that is heard late makes a paid invoice unpaid',
    file: 'payments/invoices.ts',
    text: ', isNull(settledAt)));',
    replacement: '));',
    tests: ['worker/jobs/payment-grace.test.ts'],
  },
];
