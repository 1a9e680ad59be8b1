import type Stripe from 'stripe';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import type { LeftOver, MissedFact } from '../../drizzle/schema/payment-checks.ts';
import { checkPayments } from '../../payments/check-payments.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { repeat } from '../repeat.ts';

/** Days that a nightly check looks back: a webhook is repeated by Stripe for three. */
export const NIGHTLY_DAYS = 4;
/** Hour in UTC from which a night's check is due. */
const NIGHT_HOUR = 3;
const LOOK_MS = 60_000;
/** One that broke off is taken up again by whoever looks next. */
const ABANDONED_AFTER = '1 hour';

export interface PaymentCheckOptions {
  context: LedgerContext;
  stripe: Stripe;
  livemode: boolean;
  log: Log;
  /** after each check, with what no webhook had told and what is left to a person */
  checked?(outcome: { missed: number; leftOver: number }): void;
}

interface Asked {
  id: number;
  days: number;
}

/** Asks for the night's check, once, whoever of the workers is first. */
export async function askNightly({ sql }: LedgerContext, wallNow: number): Promise<void> {
  const due = new Date(wallNow);
  if (due.getUTCHours() < NIGHT_HOUR) due.setUTCDate(due.getUTCDate() - 1);
  due.setUTCHours(NIGHT_HOUR, 0, 0, 0);
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('payment_checks'))`;
    await tx`
      insert into payment_checks (actor, days, requested_at)
      select 'worker', ${NIGHTLY_DAYS}, from_epoch_ms(${wallNow})
      where not exists (
        select from payment_checks where actor = 'worker'
          and requested_at >= from_epoch_ms(${due.getTime()}))`;
  });
}

/** Carries out the next check that was asked for. Answers whether there was one. */
export async function answerPaymentCheck(options: PaymentCheckOptions): Promise<boolean> {
  const { context, stripe, livemode, log } = options;
  const asked = await claim(context);
  if (asked === null) return false;
  const wallNow = context.wallMs();
  const now = Math.floor(meterNow(await readClock(context.db), wallNow));
  try {
    const { db } = context;
    const { days } = asked;
    const found = await checkPayments({ db, stripe, livemode, days, wallNow, meterNow: now });
    await finish(context, asked.id, { ...found, failure: null });
    const { looked, missed, leftOver } = found;
    if (missed.length + leftOver.length > 0) {
      log.warn({ looked, missed, leftOver }, 'payments were not as Stripe has them');
    }
    options.checked?.({ missed: missed.length, leftOver: leftOver.length });
  } catch (error) {
    log.error({ err: error }, 'payments could not be compared with Stripe');
    const failure =
      'Stripe could not be asked to the end. What was found is in the payments; ask again.';
    await finish(context, asked.id, { looked: 0, missed: [], leftOver: [], failure });
  }
  return true;
}

async function claim({ sql }: LedgerContext): Promise<Asked | null> {
  const [row] = await sql<Asked[]>`
    update payment_checks set started_at = now() where id = (
      select id from payment_checks
      where done_at is null
        and (started_at is null or started_at < now() - ${ABANDONED_AFTER}::interval)
      order by requested_at limit 1 for update skip locked)
    returning id, days`;
  return row ?? null;
}

interface Finished {
  looked: number;
  missed: MissedFact[];
  leftOver: LeftOver[];
  failure: string | null;
}

async function finish({ sql }: LedgerContext, id: number, found: Finished): Promise<void> {
  const { looked, missed, leftOver, failure } = found;
  await sql`
    update payment_checks set done_at = now(), looked = ${looked}, failure = ${failure},
      missed = ${JSON.stringify(missed)}::jsonb, left_over = ${JSON.stringify(leftOver)}::jsonb
    where id = ${id}`;
}

/** Each night, and at once when somebody asks. */
export async function startPaymentCheck(options: PaymentCheckOptions): Promise<Stoppable> {
  const { context, log } = options;
  const look = repeat({
    name: 'payment-check',
    everyMs: LOOK_MS,
    log,
    async run() {
      await askNightly(context, context.wallMs());
      while (await answerPaymentCheck(options));
    },
  });
  const listening = await context.sql.listen('payment_checks', () => look.wake());
  return {
    async stop() {
      await listening.unlisten().catch(() => {});
      await look.stop();
    },
  };
}
