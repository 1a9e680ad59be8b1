/**
 * What can be wrong: the table of docs/doctor.md. `means` is for the customer's sake, `todo` for
 * whoever is on duty.
 */
import { type CodeEntry, entry, FIX, LOOK } from './code-entry.ts';
import { STORE_CODES } from './store-codes.ts';

export const CODES = {
  // The live counter
  drift: entry(
    'wrong',
    'The live counter is not what was recorded: people are warned and stopped too early or too late. The invoice follows the ledger and is right.',
    `${FIX} It has the shard recovered: counters are made anew from the ledger.`,
  ),
  limitStale: entry(
    'wrong',
    'A changed plan, limit or purchase is not in force yet: people are stopped by the old one.',
    `${FIX} It leaves word for the worker, which tells the meter.`,
  ),
  sessionOrphan: entry(
    'wrong',
    'The ledger shows a session as running that the meter does not know: nobody will ever end it.',
    `${FIX} It has the shard recovered: the session comes back and is ended if nobody answers for it.`,
  ),
  sessionSilent: entry(
    'warning',
    'A session gave no sign of life for long and was not ended: it takes a place of the concurrent sessions.',
    'See that a worker runs, and look in its log for "session-sweep".',
  ),
  unsettledStuck: entry(
    'wrong',
    'Recorded minutes do not reach the ledger: they are counted live, but missing in reports and invoices.',
    'Look in the log of the worker for "the ledger refuses fields"; it says what Postgres refuses.',
  ),
  unsettledForeign: entry(
    'warning',
    'The unsettled set holds fields of no session: no minute is behind them, but they take memory.',
    `${FIX} It has the shard recovered, which drops them.`,
  ),
  unsettledBacklog: entry(
    'warning',
    'Minutes reach the ledger late: reports lag behind the live counters.',
    'Start another worker, and look how busy Postgres is.',
  ),
  // Shards
  shardUnrecovered: entry(
    'wrong',
    'A shard of the meter has to be recovered: its organizations are counted in the gateways alone, and nobody new is let in.',
    `${FIX} It wakes the workers. If it stays, see that one runs, and look for "recover" in its log.`,
  ),
  recoveryOpen: entry(
    'warning',
    'A recovery was asked for and not carried out.',
    `${FIX} It wakes the workers.`,
  ),
  outboxBacklog: entry(
    'wrong',
    'Changes of plans, limits or purchases wait to be told to the meter.',
    `${FIX} It wakes the workers. If it stays, look for "outbox" in the log of a worker.`,
  ),
  decreaseWaiting: entry(
    'warning',
    'A lower limit or minutes taken back wait to be carried out, and nobody was told.',
    `${FIX} It leaves word for the worker.`,
  ),
  // The ledger: what is derived
  periodSums: entry(
    'wrong',
    'The sums of a billing period are not those of its minutes: the plan and the invoice are reckoned from a wrong figure.',
    `${FIX} It adds the minutes up again.`,
  ),
  monthlyCache: entry(
    'wrong',
    "A member's month is not the sum of its minutes: reports and the member's own limit are wrong.",
    `${FIX} It adds the minutes up again.`,
  ),
  dailyUsage: entry(
    'wrong',
    'A day in the reports is not the sum of its minutes.',
    `${FIX} It adds the minutes up again.`,
  ),
  sessionSums: entry(
    'wrong',
    'What a session is said to have settled is not the sum of its minutes.',
    `${FIX} It adds the minutes up again.`,
  ),
  drawnSum: entry(
    'wrong',
    'What an organization has drawn of its extra minutes is not what was burnt: it is stopped too early or too late.',
    `${FIX} It adds up what was burnt.`,
  ),
  minuteCount: entry(
    'note',
    'The count of minute records in a report differs; the time in it is right.',
    `${FIX} It counts again.`,
  ),
  pieceCounts: entry(
    'wrong',
    'A count of pieces is not what was consumed: people are refused a feature too early or too late.',
    `${FIX} It counts what was consumed again.`,
  ),
  dailyCosts: entry(
    'wrong',
    'The cost of a day is not what its usage events come to: its ceiling holds too early or too late.',
    `${FIX} It adds the events up again.`,
  ),
  // Lots beside their payments
  paymentLot: entry(
    'wrong',
    'A refund, a dispute or a payment has not reached the minutes that were bought: people use what was paid back, or miss what they paid for.',
    `${FIX} It leaves word for the worker, which settles what is open and makes the lot what its payment says.`,
  ),
  paymentWithoutLot: entry(
    'wrong',
    'Somebody paid, and got no minutes for it.',
    `${FIX} It makes the lot, as it stands by all that is known of the payment.`,
  ),
  // Overage that Stripe bills
  overageUntold: entry(
    'warning',
    'Overage was used that Stripe knows nothing of: it is on no invoice.',
    'Begin the organization\'s first payment, or the saving of a card: that makes its customer at Stripe. Else see that a worker has STRIPE_SECRET_KEY, and look for "overage" in its log.',
  ),
  overageCredit: entry(
    'wrong',
    'More overage is billed than was used: the customer pays too much.',
    'Credit it on the invoice at Stripe, and write down that you have (docs/top-up.md).',
  ),
  overageUnclear: entry(
    'warning',
    'Nobody knows whether Stripe bills this overage, or Stripe said that it could not use it.',
    'Look at Stripe, in the events of the meter, and write down what is so (docs/top-up.md).',
  ),
  // The ledger: the truth itself
  lotSum: entry(
    'wrong',
    'A lot of extra minutes says it was used by another amount than the minutes that burnt it say.',
    `${LOOK} compare the lot with its rows of extra_minutes_usage, and give or take by an adjustment.`,
  ),
  lotBounds: entry(
    'wrong',
    'More was used of a lot than it held, or less than nothing.',
    `${LOOK} find who wrote it (the constraint of the table must be missing), and correct it by an adjustment.`,
  ),
  lotOrder: entry(
    'warning',
    'A lot was used while one before it had minutes left: minutes may expire that should have been used first.',
    `${LOOK} a lot that was frozen meanwhile explains it; else correct it by an adjustment.`,
  ),
  minuteSplit: entry(
    'wrong',
    'A minute says it was paid by extra minutes, and no lot says by which, or the other way round.',
    `${LOOK} compare usage_tracking with extra_minutes_usage for this minute.`,
  ),
  minuteHole: entry(
    'wrong',
    'Minutes are missing before later ones of the same session: recorded time was not billed.',
    `${FIX} It has the shard recovered, which fills them where the session is open. In a closed one it stays, in the customer's favour.`,
  ),
  minuteOver: entry(
    'wrong',
    'A minute has more than its 60 seconds: time was billed twice.',
    `${LOOK} give the customer the difference by an adjustment.`,
  ),
  sessionUnclosed: entry(
    'wrong',
    'A session has ended, and the ledger misses some of its time: it was not billed.',
    `${FIX} It asks whoever remembers once more. What nobody remembers is lost in the customer's favour.`,
  ),
  // Periods, alerts
  periodMissing: entry(
    'warning',
    'The next billing period is not there: charging would wait at the boundary.',
    `${FIX} It makes it.`,
  ),
  periodOverlap: entry(
    'wrong',
    'Two billing periods overlap: a minute could belong to either.',
    'The worker parts them in its next check of periods, with an audit entry; find who wrote them.',
  ),
  alertMissing: entry(
    'warning',
    'A threshold was crossed, and no alert was written: the e-mail or webhook may not have gone out.',
    'Tell the customer by hand; then look for "usage_alerts" in the log of the worker.',
  ),
  // Queues
  queuePaused: entry(
    'wrong',
    'Jobs wait: minutes reach the ledger only by the sweep, seconds late.',
    `${FIX} It lets the queue go on.`,
  ),
  queueFailed: entry(
    'warning',
    'Jobs failed for good. What they should have done is done by the sweeps.',
    `${FIX} It has them tried again.`,
  ),
  queueWaiting: entry(
    'warning',
    'Jobs wait longer than they should: reports lag behind.',
    'Start another worker, and look how busy Redis and Postgres are.',
  ),
  queueStalled: entry(
    'warning',
    'A job is at work for very long; whoever does it may be gone.',
    'Nothing, if a worker runs: it takes the job over within a minute.',
  ),
  noWorker: entry(
    'wrong',
    'No worker is there: minutes wait in Redis, nobody ends sessions that died, nobody recovers.',
    'Start one (npm start does), and look at the end of its log.',
  ),
  ...STORE_CODES,
  requestHeld: entry(
    'warning',
    'A request under an idempotency key never came to its end: its repetitions are refused.',
    'See that gateways run; the key is free again when it expires.',
  ),
} as const satisfies Record<string, CodeEntry>;

export type Code = keyof typeof CODES;
