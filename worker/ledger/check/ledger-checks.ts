import * as counts from './derived-counts.ts';
import * as sums from './derived-sums.ts';
import type { Finding } from './finding.ts';
import * as lots from './lots.ts';
import * as minutes from './minutes.ts';
import { judgeOverage, wrongOverage } from './overage.ts';
import { judgePaymentLots, wrongPaymentLots } from './payment-lots.ts';
import * as periods from './periods.ts';
import type { Reading } from './snapshot.ts';

export interface LedgerCheck {
  name: string;
  /** what is looked at, as it is said when all is well */
  what: string;
  run(tx: Reading, orgs: string[], when: periods.When): Promise<Finding[]>;
}

const check = <Row>(
  name: string,
  what: string,
  read: (tx: Reading, orgs: string[], when: periods.When) => Promise<Row[]>,
  judge: (rows: readonly Row[]) => Finding[],
): LedgerCheck => ({
  name,
  what,
  run: async (tx, orgs, when) => judge(await read(tx, orgs, when)),
});

/**
 * What Postgres alone can tell, for the organizations asked for: the doctor goes through all of them,
 * the running worker through a slice at a time. None reads anything outside the snapshot.
 */
export const LEDGER_CHECKS: readonly LedgerCheck[] = [
  check('period sums', 'sums of billing periods', sums.wrongPeriods, sums.judgePeriods),
  check('monthly cache', 'months of members', sums.wrongMonths, sums.judgeMonths),
  check('daily usage', 'days of members', sums.wrongDays, sums.judgeDays),
  check('session sums', 'settled sums of sessions', sums.wrongSessions, sums.judgeSessions),
  check('drawn sums', 'extra minutes drawn', sums.wrongDrawn, sums.judgeDrawn),
  check('lots', 'lots within bounds and as burnt', lots.wrongLots, lots.judgeLots),
  check('burns', 'minutes that burnt lots', lots.wrongSplits, lots.judgeSplits),
  check('lot order', 'order in which lots burn', lots.skippedLots, lots.judgeSkipped),
  check('payment lots', 'lots as their payments say', wrongPaymentLots, judgePaymentLots),
  check('overage', 'overage told to Stripe', wrongOverage, judgeOverage),
  check('minutes', 'minutes dense and within 60 s', minutes.wrongMinutes, minutes.judgeMinutes),
  check('closed', 'ended sessions closed', minutes.unclosedSessions, minutes.judgeUnclosed),
  check('periods', 'periods ahead', periods.missingPeriods, periods.judgeMissingPeriods),
  check('overlaps', 'periods apart', periods.overlaps, periods.judgeOverlaps),
  check('alerts', 'alerts of crossed thresholds', periods.missingAlerts, periods.judgeAlerts),
];

/**
 * What is of no minute. Each is a sum over all that was ever consumed or spent, which a slice of so many
 * minutes does not bound: the running worker looks at what counts now (`isPresentOnly`), in slices of
 * their own.
 */
export const COUNT_CHECKS: readonly LedgerCheck[] = [
  check('piece counts', 'pieces of features', counts.wrongPieces, counts.judgePieces),
  check('daily costs', 'costs of days', counts.wrongCosts, counts.judgeCosts),
];
