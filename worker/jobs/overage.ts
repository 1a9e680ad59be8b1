import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { appendReports } from '../overage/append.ts';
import { readMeterTroubles } from '../overage/meter-troubles.ts';
import { type SendDeps, sendReports } from '../overage/send.ts';
import { type Repeated, repeat } from '../repeat.ts';

export interface OverageOptions extends Pick<SendDeps, 'stripe'> {
  context: LedgerContext;
  livemode: boolean;
  log: Log;
}

/**
 * One look: what the ledger has is written down for Stripe, what is written down is told, and what
 * Stripe could not use of it is heard.
 */
export async function reportOverage(options: OverageOptions): Promise<number> {
  const { context, stripe, livemode, log } = options;
  const { db, wallMs } = context;
  const now = meterNow(await readClock(db), wallMs());
  await appendReports({ db, wallMs, livemode }, now);
  const told = await sendReports({ db, wallMs, stripe, livemode, log });
  await readMeterTroubles({ db, wallMs, stripe, livemode, log });
  return told;
}

export function startOverage(options: OverageOptions & { everyMs: number }): Repeated {
  const { everyMs, log } = options;
  return repeat({
    name: 'overage',
    everyMs,
    log,
    async run() {
      const reported = await reportOverage(options);
      if (reported > 0) log.info({ reported }, 'overage was reported to Stripe');
    },
  });
}
