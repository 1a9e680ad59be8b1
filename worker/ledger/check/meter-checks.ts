import {
  type BudgetName,
  memberBudget,
  organizationBudget,
} from '../../../core/meter/budget-name.ts';
import { shardOf } from '../../../core/meter/keys.ts';
import type { BudgetRow } from '../../../core/meter/rows.ts';
import { words } from '../columns.ts';
import { together } from '../together.ts';
import { exactText } from './duration-text.ts';
import { type Finding, finding } from './finding.ts';
import type { MeterReading } from './meter-reading.ts';
import type { Reading } from './snapshot.ts';

/** Budgets of the newest periods: the ones that can still move. */
const PERIODS_AN_ORGANIZATION = 3;
/** Real time without a sign of life; sweeps end such sessions in a minute or two. */
const SILENT_MS = 15 * 60_000;
/** Longer than any pause that the configuration allows by default. */
const SILENT_PAUSED_MS = 12 * 60 * 60_000;
/** A session's row is in the ledger as soon as it begins, but not at once. */
const ORPHAN_PATIENCE_S = 30;

/** Names of budgets that the ledger has of these organizations, by shard. */
export async function namesOf(tx: Reading, orgs: string[]): Promise<Map<number, BudgetName[]>> {
  const rows = await tx<{ org: string; period: number; users: string[] | null }[]>`
    select b.org, epoch_ms(b.starts_at) as period,
      (select array_agg(c.user_id) from monthly_usage_cache c
       where c.org = b.org and c.period = b.starts_at) as users
    from (select org, starts_at, row_number() over (partition by org order by starts_at desc) as place
      from billing_periods where org = any(${orgs})) b
    where b.place <= ${PERIODS_AN_ORGANIZATION}`;
  const names = new Map<number, BudgetName[]>();
  for (const { org, period, users } of rows) {
    const shard = shardOf(org);
    const mine = names.get(shard) ?? [];
    mine.push(organizationBudget(org, period));
    for (const user of users ?? []) mine.push(memberBudget(org, user, period));
    names.set(shard, mine);
  }
  return names;
}

export interface StaleLimit {
  org: string;
  budget: BudgetName;
  toldVersion: number;
  version: number;
}

/** Limits that the meter has not been told although nobody is about to (rule 7). */
export async function staleLimits(
  tx: Reading,
  reading: MeterReading,
  orgs: string[],
): Promise<StaleLimit[]> {
  const budgets = new Map<string, BudgetRow>(reading.budgets.map((row) => [row.name, row]));
  const rows = await tx<{ org: string; period: number; version: number }[]>`
    select b.org, epoch_ms(b.starts_at) as period, greatest(b.version, o.grant_version) as version
    from billing_periods b join organizations o on o.id = b.org
    where b.org = any(${orgs}) and o.shard = ${reading.shard}
      and b.ends_at > from_epoch_ms(${reading.now}) and not b.decrease_pending
      and not exists (select from meter_outbox w where w.org = b.org)`;
  return rows.flatMap(({ org, period, version }) => {
    const row = budgets.get(organizationBudget(org, period));
    if (row === undefined || row.version >= version) return [];
    return [{ org, budget: row.name, toldVersion: row.version, version }];
  });
}

export interface Orphan {
  org: string;
  session: string;
  startedAt: number;
  settledMs: number;
}

/** Open in the ledger, unknown to the meter; one whose end is on its way to the ledger is not meant. */
export async function orphans(
  tx: Reading,
  reading: MeterReading,
  orgs: string[] | null,
): Promise<Orphan[]> {
  const known = [
    ...reading.live,
    ...reading.unsettled.flatMap((it) => (it.kind === 'session' ? [it.row] : [])),
  ];
  return tx<Orphan[]>`
    select s.org, s.id as session, epoch_ms(s.started_at) as "startedAt",
      s.settled_ms as "settledMs"
    from sessions s where s.state = 'live' and s.shard = ${reading.shard}
      and (${orgs === null} or s.org = any(${orgs ?? []}))
      and not exists (select from unnest(${words(known.map((it) => it.org))}::text[],
        ${words(known.map((it) => it.session))}::text[]) as k (org, session)
        where k.org = s.org and k.session = s.id)
      and s.started_at < (select coalesce(max(case when frozen then meter_base_at
        else meter_base_at + (clock_timestamp() - real_base_at) * speed end), now())
        - make_interval(secs => ${ORPHAN_PATIENCE_S}) from meter_clock)
    order by 1, 2`;
}

export function judgeStale(rows: readonly StaleLimit[]): Finding[] {
  return rows.map(({ org, budget, toldVersion, version }) =>
    finding('limitStale', {
      org,
      subject: budget,
      says: `The meter counts ${org} by limits of version ${toldVersion}; Postgres has ${version}, and nobody is about to tell it.`,
      figures: { toldVersion, version },
    }),
  );
}

export function judgeOrphans(rows: readonly Orphan[]): Finding[] {
  return rows.map(({ org, session, startedAt, settledMs }) =>
    finding('sessionOrphan', {
      org,
      subject: session,
      says: `Session ${session} of ${org}, begun ${new Date(startedAt).toISOString()} and settled with ${exactText(settledMs)}, is open in the ledger and unknown to the meter.`,
      figures: { startedAt, settledMs },
    }),
  );
}

/** Sessions that the sweep should have ended (rule 17). `speed`: meter seconds in a real one. */
export function judgeSilent(reading: MeterReading, speed: number): Finding[] {
  return reading.live.flatMap(({ org, session, state, lastAnswerAt }) => {
    const silentMs = (reading.now - lastAnswerAt) / speed;
    if (silentMs < (state === 'paused' ? SILENT_PAUSED_MS : SILENT_MS)) return [];
    return [
      finding('sessionSilent', {
        org,
        subject: session,
        says: `Session ${session} of ${org} is ${state} and gave no sign of life for ${exactText(Math.round(silentMs))}.`,
        figures: { lastAnswerAt, silentMs: Math.round(silentMs) },
      }),
    ];
  });
}

/** Fields that two looks saw with the same value: what is healthy is settled within seconds. */
export function judgeStuck(before: MeterReading, now: MeterReading): Finding[] {
  const values = new Map(before.unsettled.map((it) => [it.field, it.value]));
  return now.unsettled.flatMap((it) => {
    if (values.get(it.field) !== it.value) return [];
    const org = it.kind === 'session' ? it.row.org : it.org;
    return [
      finding('unsettledStuck', {
        org,
        subject: it.field,
        says: `The field ${it.field} (${it.value}) of shard ${now.shard} waits in the unsettled set and is not settled.`,
        figures: { generation: it.generation },
      }),
    ];
  });
}

/** The numbers of a shard from outside: fields without a session behind them, and a backlog. */
export function judgeUnsettledCount(
  reading: MeterReading,
  fields: number,
  most: number,
): Finding[] {
  const found: Finding[] = [];
  const subject = `shard ${reading.shard}`;
  const foreign = fields - reading.unsettled.length;
  if (foreign > 0) {
    const says = `${foreign} of ${fields} fields in the unsettled set of shard ${reading.shard} belong to no session.`;
    found.push(finding('unsettledForeign', { subject, says, figures: { foreign } }));
  }
  if (fields > most) {
    const says = `${fields} fields wait in the unsettled set of shard ${reading.shard}; ${most} are a lot.`;
    found.push(finding('unsettledBacklog', { subject, says, figures: { fields } }));
  }
  return found;
}

export const readMeterSide = (tx: Reading, reading: MeterReading, orgs: string[]) =>
  together([staleLimits(tx, reading, orgs), orphans(tx, reading, orgs)] as const);
