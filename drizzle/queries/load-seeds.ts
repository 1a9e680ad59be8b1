import { sql } from 'drizzle-orm';
import { type BudgetName, parseBudgetName } from '../../core/meter/budget-name.ts';
import type { BudgetSeed, SeedCommand } from '../../core/meter/commands.ts';
import { LimitMode } from '../../core/meter/rows.ts';
import type { Database } from '../client.ts';
import { levelsOf } from '../levels.ts';
import type { Thresholds } from '../schema/plans.ts';
import { ensurePeriod } from './ensure-period.ts';

interface AccountRow extends Record<string, unknown> {
  generation: number;
  suspended: boolean;
  version: number;
  drawnMs: number;
  drawnSequence: number;
  grantedMs: number;
  thresholds: Thresholds;
}
interface PeriodRow extends Record<string, unknown> {
  startsAt: number;
  endsAt: number;
  quotaMs: number | null;
  version: number;
  mode: LimitMode;
  overageCapMs: number | null;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  sequence: number;
}
interface MemberRow extends Record<string, unknown> {
  user: string;
  period: number;
  quotaMs: number | null;
  version: number;
  usedMs: number;
  sequence: number;
}
interface AlertRow extends Record<string, unknown> {
  budget: BudgetName;
  level: number;
  version: number;
}

/**
 * What the meter must know of these budgets: limits with their versions, what is settled, what was
 * crossed, all from one snapshot (rules 8, 12, 22 in core/meter/README.md). Periods whose rows are
 * missing are made. A session's own budget needs no seed and can't be asked for.
 * null: no such organization.
 * @throws when a name says a period that does not begin then
 */
export async function loadSeeds(
  db: Database,
  org: string,
  names: BudgetName[],
): Promise<SeedCommand | null> {
  const starts = [...new Set(names.map((name) => periodOf(name, org)))];
  let known = await readAll(db, org, names, starts);
  if (known.account === null) return null;
  if (known.periods.length < starts.length) {
    for (const start of starts) await requirePeriod(db, org, start);
    known = await readAll(db, org, names, starts);
    if (known.account === null) return null;
  }
  return { org, ...seedsOf(org, names, { ...known, account: known.account }) };
}

async function requirePeriod(db: Database, org: string, start: number): Promise<void> {
  const period = await ensurePeriod(db, org, start);
  if (period === null || period.startsAt === start) return;
  throw new Error(
    `No period of ${org} begins at ${start}: that instant is in the one from ${period.startsAt}.`,
  );
}

function periodOf(name: BudgetName, org: string): number {
  const parsed = parseBudgetName(name);
  if (parsed.scope !== 'session' && parsed.org === org) return parsed.period;
  throw new Error(`${name} is not a budget of ${org} that Postgres has limits of.`);
}

interface Known {
  /** null: no such organization */
  account: AccountRow | null;
  periods: PeriodRow[];
  members: MemberRow[];
  crossings: AlertRow[];
}

function seedsOf(
  org: string,
  names: BudgetName[],
  { account, ...known }: Known & { account: AccountRow },
): Omit<SeedCommand, 'org'> {
  const periods = new Map(known.periods.map((period) => [period.startsAt, period]));
  const members = new Map(known.members.map((row) => [`${row.user}|${row.period}`, row]));
  const crossings = new Map(
    known.crossings.map(({ budget, level, version }) => [`${budget} ${level}`, version]),
  );
  const levels = levelsOf(account.thresholds);

  const budgets = names.map((name): BudgetSeed => {
    const parsed = parseBudgetName(name);
    if (parsed.scope === 'session') throw new Error(`${name} has no limits in Postgres.`);
    const period = periods.get(parsed.period)!;
    const common = {
      name,
      org,
      startsAt: period.startsAt,
      endsAt: period.endsAt,
      levels,
      crossed: levels.map((level) => crossings.get(`${name} ${level}`) ?? 0),
    };
    if (parsed.scope === 'organization') return { ...common, ...organizationSeed(name, period) };
    const member = members.get(`${parsed.user}|${parsed.period}`);
    return { ...common, ...memberSeed(name, period, member) };
  });
  return {
    generation: account.generation,
    account: {
      org,
      grantedMs: account.grantedMs,
      version: account.version,
      suspended: account.suspended,
      drawn: { org, sequence: account.drawnSequence, drawnMs: account.drawnMs },
    },
    budgets,
  };
}

type Limited = Pick<BudgetSeed, 'quotaMs' | 'version' | 'mode' | 'overageCapMs' | 'settled'>;

function organizationSeed(name: BudgetName, period: PeriodRow): Limited {
  const { quotaMs, version, mode, overageCapMs, usedMs, planMs, extraMs, overageMs } = period;
  const settled = { name, sequence: period.sequence, usedMs, planMs, extraMs, overageMs };
  return { quotaMs, version, mode, overageCapMs, settled };
}

/**
 * A member's own limit stops even where the plan bills overage; only shadow mode enforces nothing.
 * The version is the newer one of member's and organization's: mode and levels are the plan's.
 */
function memberSeed(name: BudgetName, period: PeriodRow, member?: MemberRow): Limited {
  const quotaMs = member?.quotaMs ?? null;
  return {
    quotaMs,
    version: Math.max(member?.version ?? 0, period.version),
    mode: period.mode === LimitMode.shadow ? LimitMode.shadow : LimitMode.stop,
    overageCapMs: null,
    settled: settledMember(name, quotaMs, member?.usedMs ?? 0, member?.sequence ?? 0),
  };
}

/** Of a member's budget only the sum is kept: without extra minutes its split follows from it. */
export function settledMember(
  name: BudgetName,
  quotaMs: number | null,
  usedMs: number,
  sequence: number,
) {
  const planMs = quotaMs === null ? usedMs : Math.min(usedMs, quotaMs);
  return { name, sequence, usedMs, planMs, extraMs: 0, overageMs: usedMs - planMs };
}

/**
 * All in one statement: it sees one snapshot, and a recorder that joins waits for one answer instead
 * of seven. An expired or frozen lot counts what was used of it.
 */
async function readAll(
  db: Database,
  org: string,
  names: BudgetName[],
  starts: number[],
): Promise<Known> {
  const wanted = names.map(parseBudgetName).filter((parsed) => parsed.scope === 'member');
  const users = sql.param(wanted.map((it) => it.user));
  const periods = sql.param(wanted.map((it) => it.period));
  const [row] = await db.execute<{ known: Known }>(sql`
    with account as (
      select s.generation, o.suspended, o.grant_version as version, o.drawn_ms as "drawnMs",
        o.drawn_sequence as "drawnSequence", p.thresholds,
        (select coalesce(sum(case when expired_at is not null or frozen_at is not null then used_ms
                             else greatest(used_ms, granted_ms - reversed_ms) end), 0)::bigint
         from extra_minutes_purchases where org = o.id) as "grantedMs"
      from organizations o join plans p on p.id = o.plan join shards s on s.shard = o.shard
      where o.id = ${org}
    ), periods as (
      select epoch_ms(starts_at) as "startsAt", epoch_ms(ends_at) as "endsAt", quota_ms as "quotaMs",
        version, mode, overage_cap_ms as "overageCapMs", used_ms as "usedMs", plan_ms as "planMs",
        extra_ms as "extraMs", overage_ms as "overageMs", sequence
      from billing_periods where org = ${org}
        and starts_at in (select from_epoch_ms(at) from unnest(${sql.param(starts)}::bigint[]) at)
    ), members as (
      select w.user_id as user, w.period, m.quota_ms as "quotaMs", m.limit_version as version,
        coalesce(c.used_ms, 0) as "usedMs", coalesce(c.sequence, 0) as sequence
      from unnest(${users}::text[], ${periods}::bigint[]) as w (user_id, period)
      left join organization_members m on m.org = ${org} and m.user_id = w.user_id
      left join monthly_usage_cache c on c.org = ${org} and c.user_id = w.user_id
        and c.period = from_epoch_ms(w.period)
    ), crossings as (
      select budget, level, max(version) as version from usage_alerts
      where org = ${org} and budget = any(${sql.param(names)}::text[]) group by budget, level
    )
    select json_build_object(
      'account', (select to_json(a) from account a),
      'periods', (select coalesce(json_agg(p), '[]') from periods p),
      'members', (select coalesce(json_agg(m), '[]') from members m),
      'crossings', (select coalesce(json_agg(c), '[]') from crossings c)
    ) as known`);
  return row!.known;
}
