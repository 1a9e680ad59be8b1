/**
 * Overage that is billed through Stripe: what Stripe does not have, may not have, or has too much of; of
 * the mode that the organization's customer is of now.
 */
import { type Finding, finding } from './finding.ts';
import type { Reading } from './snapshot.ts';

/** Reports are written each minute, real time. */
const PATIENCE_S = 600;
/** Stripe may be away for long: after it somebody should know. */
const UNSENT_PATIENCE_S = 3_600;
/** Of periods before, no report is written any more (worker/overage/append.ts). */
const LOOKED_AT = '60 days';

export interface WrongOverage {
  org: string;
  period: number;
  minutes: number;
  /** null: no report was ever written */
  identifier: string | null;
  /** credit: of more than was used, which a person credits */
  kind: 'report' | 'credit';
  isUnclear: boolean;
  hasCustomer: boolean;
  why: string | null;
}

export function wrongOverage(
  tx: Reading,
  orgs: string[],
  { now }: { now: number },
): Promise<WrongOverage[]> {
  return tx<WrongOverage[]>`
    with periods as (
      select b.org, b.starts_at, b.billable_ms / 60000 as minutes, p.overage_meter, c.livemode
      from billing_periods b join organizations o on o.id = b.org join plans p on p.id = o.plan
        left join stripe_customers c on c.org = b.org
      where b.org = any(${orgs}) and b.billable_ms >= 60000
        and b.ends_at > from_epoch_ms(${now}) - ${LOOKED_AT}::interval)
    select p.org, epoch_ms(p.starts_at) as period, p.minutes, null as identifier, 'report' as kind,
      false as "isUnclear", null as why,
      p.livemode is not null as "hasCustomer"
    from periods p
    where p.overage_meter is not null
      and not exists (select from overage_reports r
        where r.org = p.org and r.period = p.starts_at
          and r.livemode = coalesce(p.livemode, r.livemode))
      and exists (select from usage_tracking u
        where u.org = p.org and u.period = p.starts_at and u.billable_ms > 0
          and u.written_at < now() - make_interval(secs => ${PATIENCE_S}))
    union all
    select r.org, epoch_ms(r.period), abs(r.minutes), r.identifier, r.kind,
      r.unclear_at is not null, r.last_error, true
    from overage_reports r join billing_periods b on b.org = r.org and b.starts_at = r.period
      left join stripe_customers c on c.org = r.org
    where r.org = any(${orgs}) and b.ends_at > from_epoch_ms(${now}) - ${LOOKED_AT}::interval
      and r.livemode = coalesce(c.livemode, r.livemode)
      and r.cancel_at is null and (r.unclear_at is not null or (r.sent_at is null
        and (r.kind = 'credit'
          or r.created_at < now() - make_interval(secs => ${UNSENT_PATIENCE_S}))))
    order by 1, 2, 4`;
}

export function judgeOverage(rows: readonly WrongOverage[]): Finding[] {
  return rows.map((row) => {
    const { org, period, minutes, identifier } = row;
    const from = new Date(period).toISOString();
    const what = `${minutes} minutes of overage of ${org} in the period from ${from}`;
    const subject = identifier ?? from;
    const detail = { org, subject, figures: { period, minutes } };
    if (row.kind === 'credit') {
      const says = `Stripe was told ${what} too many, and can't take them back any more.`;
      return finding('overageCredit', { ...detail, says });
    }
    if (row.isUnclear) {
      const says = `${what} may not be with Stripe: ${row.why ?? 'nobody knows why'}`;
      return finding('overageUnclear', { ...detail, says });
    }
    return finding('overageUntold', {
      ...detail,
      says: `${what} are not told to Stripe: ${whyOf(row)}`,
    });
  });
}

function whyOf({ identifier, hasCustomer, why }: WrongOverage): string {
  if (identifier !== null) return why ?? 'it has not been asked yet.';
  if (!hasCustomer) return 'the organization has no customer there.';
  return 'no worker has the key of Stripe that its customer is of.';
}
