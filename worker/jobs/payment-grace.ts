import { sql } from 'drizzle-orm';
import type { Log } from '../../core/runtime/log.ts';
import { applyLimits } from '../../drizzle/queries/apply-limits.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { writeAudit } from '../ledger/audit.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { type Repeated, repeat } from '../repeat.ts';

const ORGANIZATIONS_A_TURN = 100;

interface Turned extends Record<string, unknown> {
  id: string;
  ended: boolean;
}

/**
 * Ends the grace of organizations whose invoice was unpaid for as many days as their plan allows, and
 * begins it again where the plan allows more now. Without grace there is no overage: the mode is as if
 * the plan stopped, and takes the way of every decrease, which settles by the old figures first. The
 * plan's quota and extra minutes are not touched. Answers how many changed.
 */
export async function turnGraces({ db, wallMs }: LedgerContext): Promise<number> {
  const now = meterNow(await readClock(db), wallMs());
  for (let turned = 0; ; ) {
    const some = await db.transaction(async (tx) => {
      const rows = await tx.execute<Turned>(sql`
        with due as (
          select o.id, ${isOver(now)} as ended from organizations o join plans p on p.id = o.plan
          where o.payment_overdue_since is not null
            and o.payment_grace_ended <> ${isOver(now)}
          order by o.id limit ${ORGANIZATIONS_A_TURN} for update of o skip locked
        )
        update organizations o set payment_grace_ended = due.ended from due where o.id = due.id
        returning o.id, due.ended`);
      const orgs = rows.map(({ id }) => id).sort();
      await applyLimits(tx, orgs, now);
      for (const { id: org, ended } of rows) {
        const action = ended ? 'payment.graceEnded' : 'payment.graceBegunAgain';
        await writeAudit(tx, { actor: 'worker', action, org });
      }
      return rows.length;
    });
    turned += some;
    if (some < ORGANIZATIONS_A_TURN) return turned;
  }
}

/** Days of 24 hours, whatever the zone. */
const isOver = (now: number) =>
  sql`(o.payment_overdue_since + make_interval(hours => 24 * p.payment_grace_days)
    <= from_epoch_ms(${now}))`;

export function startPaymentGrace(options: {
  context: LedgerContext;
  everyMs: number;
  log: Log;
}): Repeated {
  const { context, everyMs, log } = options;
  return repeat({
    name: 'payment-grace',
    everyMs,
    log,
    async run() {
      const organizations = await turnGraces(context);
      if (organizations > 0) log.info({ organizations }, 'the grace of unpaid invoices was turned');
    },
  });
}
