/** Steps of a schedule that the ledger and the worker take: limits, grants, settling, recovery. */
import { parseBudgetName } from './budget-name.ts';
import type { BudgetSeed, SeedReply, SettledBudget, Unsettled } from './commands.ts';
import { shardOf } from './keys.ts';
import { LimitMode } from './rows.ts';
import type { Dice } from './schedule.ts';
import {
  accountOf,
  baseOf,
  budgetSeed,
  commit,
  fillMissingMinutes,
  settledOf,
} from './test-ledger.ts';
import type { Driver } from './test-stage.ts';
import {
  advance,
  anyBudget,
  clockOf,
  namesAt,
  ORGS,
  PERIOD_MS,
  periodAt,
  readBudget,
  SHARDS_USED,
} from './test-stage.ts';
import { FIRST_LIFE } from './test-subject.ts';

const QUOTAS_MS = [0, 1_000, 10_000, 30_000, 60_000, 100_000, 150_000];
const LEVELS = [
  [80, 90, 100, -10_000, -1_000],
  [50, 100],
  [80, 90, 100],
];

export async function runLimitStep(
  driver: Driver,
  kind: 'limits' | 'grant' | 'settle' | 'cut' | 'recover',
  dice: Dice,
): Promise<void> {
  const org = dice.pick(ORGS);
  if (kind === 'limits') return changeLimits(driver, dice, org);
  if (kind === 'grant') return changeGrant(driver, dice, org);
  if (kind === 'cut') return cutPeriod(driver, dice, org);
  if (kind === 'settle') return settle(driver, dice, dice.pick(SHARDS_USED));
  return recover(driver, dice, dice.pick(SHARDS_USED));
}

/** Seeds budgets as Postgres has them; draws up a limit for one that Postgres has not. */
export async function seedBudgets(
  driver: Driver,
  dice: Dice,
  org: string,
  names: string[],
): Promise<SeedReply> {
  const { ledger } = driver;
  const budgets = names.map((name): BudgetSeed => {
    let limit = ledger.limits.get(name);
    if (limit === undefined) {
      const parsed = parseBudgetName(name);
      const startsAt = parsed.scope === 'session' ? 0 : parsed.period;
      const isMember = parsed.scope === 'member';
      limit = {
        ...{ name, org, version: 1, startsAt, endsAt: periodAt(startsAt) + PERIOD_MS },
        ...{ mode: LimitMode.stop, overageCapMs: null, levels: dice.pick(LEVELS) },
        quotaMs: dice.chance(isMember ? 0.6 : 0.1) ? null : dice.pick(QUOTAS_MS.slice(2)),
      };
      ledger.limits.set(name, limit);
    }
    return budgetSeed(ledger, limit);
  });
  const generation = driver.generations.get(shardOf(org)) ?? 1;
  const account = structuredClone(accountOf(ledger, org));
  return driver.subject.meter.seed({ org, generation, account, budgets });
}

/** A period is closed by hand; Postgres learns of it, and late words of its old end still come. */
async function cutPeriod(driver: Driver, dice: Dice, org: string): Promise<void> {
  const { ledger, subject } = driver;
  const running = [...ledger.limits.values()].filter(
    (limit) => limit.org === org && limit.startsAt <= driver.now && !limit.name.startsWith('s'),
  );
  if (running.length === 0) return;
  const { startsAt } = dice.chance(0.8) ? running.at(-1)! : dice.pick(running);
  const reply = await subject.meter.cut(org, startsAt);
  if (reply.status !== 'cut') return;
  const of = running.filter((limit) => limit.startsAt === startsAt);
  if (dice.chance(0.3)) await seedBudgets(driver, dice, org, [dice.pick(of).name]);
  for (const limit of of) ledger.limits.set(limit.name, { ...limit, endsAt: reply.at });
}

/** A quota goes up or down, often to exactly what is used, or to where a level just holds. */
async function changeLimits(driver: Driver, dice: Dice, org: string): Promise<void> {
  const { ledger } = driver;
  const name = anyBudget(driver, dice, org);
  if (parseBudgetName(name).scope === 'session') return;
  const known = ledger.limits.get(name);
  if (known === undefined || dice.chance(0.15)) {
    const ahead = namesAt(org, periodAt(driver.now) + dice.pick([0, PERIOD_MS, 2 * PERIOD_MS]));
    await seedBudgets(driver, dice, org, ahead.slice(0, 1 + dice.below(ahead.length)));
    return;
  }
  const row = await readBudget(driver, org, name);
  const usedMs = row?.usedMs ?? 0;
  const quotas = [usedMs, usedMs + 1, usedMs + 5_000, Math.floor((usedMs * 100) / 80)];
  const changed = {
    ...known,
    version: nextVersion(driver, dice, known.version),
    quotaMs: dice.chance(0.1) ? null : dice.pick([...QUOTAS_MS, ...quotas]),
    mode: dice.pick([
      LimitMode.stop,
      LimitMode.stop,
      known.mode,
      LimitMode.overage,
      LimitMode.shadow,
    ]),
    overageCapMs: dice.pick([null, 0, 5_000, 30_000]),
    levels: dice.chance(0.2) ? dice.pick(LEVELS) : known.levels,
  };
  if (changed.version > known.version) ledger.limits.set(name, changed);
  const generation = (driver.generations.get(shardOf(org)) ?? 1) - (dice.chance(0.03) ? 1 : 0);
  const account = structuredClone(accountOf(ledger, org));
  const budgets = [budgetSeed(ledger, changed)];
  await driver.subject.meter.seed({ org, generation, account, budgets });
}

/** Mostly the next one; sometimes a repeat, or one that was overtaken. */
function nextVersion(driver: Driver, dice: Dice, known: number): number {
  if (dice.chance(0.25)) return known - dice.below(2);
  driver.ledger.version += 1;
  return driver.ledger.version;
}

/** Extra minutes are bought or taken back, an organization is suspended or let in again. */
async function changeGrant(driver: Driver, dice: Dice, org: string): Promise<void> {
  const account = accountOf(driver.ledger, org);
  const { drawnMs } = account.drawn;
  const changed = {
    ...account,
    version: nextVersion(driver, dice, account.version),
    grantedMs: dice.pick([0, 5_000, 20_000, 60_000, drawnMs, drawnMs + 1_000]),
    suspended: account.suspended ? dice.chance(0.2) : dice.chance(0.12),
  };
  if (changed.version > account.version) driver.ledger.accounts.set(org, changed);
  const names = dice.chance(0.5) ? [] : namesAt(org, periodAt(driver.now)).slice(0, 1);
  const known = names.flatMap((name) => driver.ledger.limits.get(name) ?? []);
  const generation = driver.generations.get(shardOf(org)) ?? 1;
  const budgets = known.map((limit) => budgetSeed(driver.ledger, limit));
  await driver.subject.meter.seed({ org, generation, account: structuredClone(changed), budgets });
}

/** Commits some of what waits, tells the meter: all of it, a part, late, twice, or of old values. */
async function settle(driver: Driver, dice: Dice, shard: number): Promise<void> {
  const { meter } = driver.subject;
  const pending = await meter.pending(shard, { limit: 10_000 });
  if (pending.status !== 'ok') return;
  const sorted = [...pending.items].sort((a, b) => (a.field < b.field ? -1 : 1));
  const some = sorted.filter(() => dice.chance(0.6)).map((item) => item.field);
  const named = await meter.pending(shard, { fields: [...some, 'm|acme|nobody|0|0'] });
  const items = dice.chance(0.5) || named.status !== 'ok' ? sorted : named.items;
  const before = sumsOf(driver, shard);
  commit(driver.ledger, items);
  const generation = (driver.generations.get(shard) ?? 1) - (dice.chance(0.05) ? 1 : 0);
  const removed = items.map(({ field, value }) => ({ field, value }));
  // Now and then the ledger knows of a draw that the meter did not reckon with.
  const drawer = accountOf(driver.ledger, dice.pick(ORGS));
  if (dice.chance(0.1)) {
    const { org, drawnMs } = drawer.drawn;
    const { sequence } = driver.ledger;
    drawer.drawn = { org, sequence, drawnMs: drawnMs + dice.pick([1_000, 5_000, 60_000]) };
  }
  const accounts = ORGS.filter((org) => shardOf(org) === shard).map((org) => ({
    ...accountOf(driver.ledger, org).drawn,
  }));
  const command = { shard, generation, removed, budgets: sumsOf(driver, shard), accounts };
  // While the worker commits, recorders go on: values may have grown since they were read.
  if (dice.chance(0.3)) await advance(driver, dice.ms());
  await meter.settled(command);
  if (dice.chance(0.2)) await meter.settled(command);
  if (dice.chance(0.1)) await meter.settled({ ...command, budgets: before });
}

function sumsOf(driver: Driver, shard: number): SettledBudget[] {
  const names = [...driver.ledger.limits.values()].filter((limit) => shardOf(limit.org) === shard);
  return names.map(({ name }) => ({ ...settledOf(driver.ledger, name) }));
}

/** Rule 22 (a) to (d); what Redis still had is settled first, if it still had anything. */
async function recover(driver: Driver, dice: Dice, shard: number): Promise<void> {
  const { subject, ledger } = driver;
  const { meter } = subject;
  if (dice.chance(0.4)) {
    await subject.lose(shard);
    const recorder = dice.pick([...driver.recorders.values(), undefined]);
    if (recorder !== undefined) await meter.readSession(recorder.org, recorder.session);
  }
  const generation = (driver.generations.get(shard) ?? 1) + 1;
  driver.generations.set(shard, generation);
  const items: Unsettled[] = await meter.flush(shard);
  commit(ledger, items);
  const orgs = ORGS.filter((org) => shardOf(org) === shard);
  for (const org of orgs) fillMissingMinutes(ledger, org);
  await meter.reset({ shard, runId: FIRST_LIFE, generation, clock: clockOf(driver) });

  const seedOrgs = async () => {
    for (const org of orgs) {
      const names = [...ledger.limits.values()]
        .filter((limit) => limit.org === org && limit.endsAt !== null)
        .filter((limit) => (limit.endsAt ?? 0) > driver.now - PERIOD_MS && !dice.chance(0.15))
        .map((limit) => limit.name);
      await seedBudgets(driver, dice, org, names);
    }
  };
  const seedsFirst = dice.chance(0.5);
  if (seedsFirst) await seedOrgs();
  const sessions = [...ledger.sessions]
    .filter(([, known]) => orgs.includes(known.org) && known.row !== null && !known.row.endedAt)
    .flatMap(([key, { org, user }]) => {
      const session = key.split('|')[1] ?? '';
      const base = baseOf(ledger, org, session);
      return base === null ? [] : [{ session, org, user, base }];
    });
  await meter.adopt({ shard, generation: generation - (dice.chance(0.05) ? 1 : 0), sessions });
  await meter.adopt({ shard, generation, sessions });
  if (!seedsFirst) await seedOrgs();
  await meter.announce(shard, generation);
}
