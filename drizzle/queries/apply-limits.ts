import { type SQL, sql } from 'drizzle-orm';
import type { Transaction } from '../client.ts';

/**
 * Carries a change of limits on: call it in the transaction that changed an organization or a plan.
 * It gives the organizations their next version, moves the limits of their present and later
 * periods, and leaves word for the meter. What becomes lower waits in `decrease_pending` until the
 * worker has settled what is open by the old figures.
 * @param at meter instant; periods that ended before it keep their limits
 */
export async function applyLimits(tx: Transaction, orgs: string[], at: number): Promise<void> {
  if (orgs.length > 0) await apply(tx, sql`id = any(${sql.param(orgs)}::text[])`, at);
}

/** The same for all organizations that subscribe to a plan. */
export async function applyPlan(tx: Transaction, plan: string, at: number): Promise<void> {
  await apply(tx, sql`plan = ${plan}`, at);
}

async function apply(tx: Transaction, which: SQL, at: number): Promise<void> {
  // One order for all who lock several organizations, lest two wait for each other.
  await tx.execute(sql`select from organizations where ${which} order by id for update`);
  await tx.execute(sql`
    update organizations set limit_version = nextval('limit_versions') where ${which}`);
  await tx.execute(sql`
    with target as (
      select b.org, b.starts_at, o.limit_version as version, p.overage_cap_ms as cap_ms,
        limit_mode(p, o) as mode, limit_quota(p.quota_ms, o.quota_ms, b.adjusted_ms) as quota_ms
      from billing_periods b join organizations o on o.id = b.org join plans p on p.id = o.plan
      where b.ends_at > from_epoch_ms(${at}) and b.org in
        (select id from organizations where ${which})
    ), judged as (
      select t.*, ${isLower} as lower from target t join billing_periods b using (org, starts_at)
    )
    update billing_periods b set
      decrease_pending = j.lower,
      quota_ms = case when j.lower then b.quota_ms else j.quota_ms end,
      mode = case when j.lower then b.mode else j.mode end,
      overage_cap_ms = case when j.lower then b.overage_cap_ms else j.cap_ms end,
      version = case when j.lower then b.version else j.version end
    from judged j where b.org = j.org and b.starts_at = j.starts_at`);
  // Those who record at this moment are told first.
  await tx.execute(sql`
    insert into meter_outbox (org) select id from organizations where ${which}
    order by (id in (select org from sessions where state = 'live')) desc, id`);
}

/** Whether target `t` allows less than row `b`, or splits by another mode. null allows all. */
const isLower = sql.raw(`(
  coalesce(t.quota_ms < coalesce(b.quota_ms, 9223372036854775807), false)
  or (t.mode <> b.mode and b.mode <> 0)
  or (t.mode = 1 and b.mode = 1
    and coalesce(t.cap_ms < coalesce(b.overage_cap_ms, 9223372036854775807), false)))`);

/** A member's own limit changed: it alone is told. */
export async function applyMember(tx: Transaction, org: string, user: string): Promise<void> {
  await tx.execute(sql`
    update organization_members set limit_version = nextval('limit_versions')
    where org = ${org} and user_id = ${user}`);
  await tx.execute(sql`insert into meter_outbox (org, user_id) values (${org}, ${user})`);
}

/** Extra minutes came or went, or `suspended` changed. */
export async function applyGrant(tx: Transaction, org: string): Promise<void> {
  await tx.execute(sql`
    update organizations set grant_version = nextval('limit_versions') where id = ${org}`);
  await tx.execute(sql`insert into meter_outbox (org) values (${org})`);
}
