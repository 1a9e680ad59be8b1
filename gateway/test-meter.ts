/**
 * The stores of a simulated gateway: the meter in memory (core/meter/model.ts, held to the scripts by
 * a property test of its own), a ledger beside it, and a worker that settles and recovers when it is
 * told. Redis and Postgres can be taken away, be slow, or lose what they told.
 */

import { parseBudgetName } from '../core/meter/budget-name.ts';
import type { Meter, MeterClock } from '../core/meter/commands.ts';
import { shardOf } from '../core/meter/keys.ts';
import type { RedisMeter } from '../core/meter/meter.ts';
import { createModel, type Model } from '../core/meter/model.ts';
import type { Level, LimitMode, MeterEvent } from '../core/meter/rows.ts';
import { MeterUnreachable } from '../core/meter/servers.ts';
import {
  accountOf,
  baseOf,
  budgetSeed,
  commit,
  createLedger,
  fillMissingMinutes,
} from '../core/meter/test-ledger.ts';
import type { Limits } from '../drizzle/queries/load-limits.ts';
import type { LotDates } from '../drizzle/queries/load-lot-dates.ts';
import type { Ledger } from './ledger.ts';

export const MINUTE_MS = 60_000;
export const PERIOD_MS = 30 * 24 * 60 * MINUTE_MS;
export const BEGIN = Date.UTC(2026, 0, 1);

const NO_DATES: LotDates = { next: null, expired: [], holdUntil: null };

export interface AccountSpec {
  quotaMs?: number | null;
  memberQuotaMs?: number | null;
  grantedMs?: number;
  mode?: LimitMode;
  levels?: Level[];
  limits?: Partial<Limits>;
}

export interface TestMeter {
  clock: MeterClock;
  meter: RedisMeter;
  model: Model;
  ledger: Ledger;
  /** Redis does not answer */
  isAway: boolean;
  /** Redis does what it is told, and its answers are lost */
  losesAnswers: boolean;
  /** Postgres does not answer */
  isLedgerAway: boolean;
  /** nobody hears what the meter tells on its channel */
  isDeaf: boolean;
  /** before and after each call, real ms */
  delayMs: number;
  /** a worker recovers what is asked for, so long after; null: none runs */
  recoversAfterMs: number | null;
  /** commands asked so far, by name */
  calls: Record<string, number>;
  listeners: Set<(event: MeterEvent) => void>;
  account(org: string, spec?: AccountSpec): void;
  /** new limits, as the API brings them into Postgres and the meter */
  raise(org: string, quotaMs: number): Promise<void>;
  grant(org: string, extraMs: number): Promise<void>;
  /** ends of its extra minutes, as the ledger has them from now on; told with the next change */
  date(org: string, ends: Partial<LotDates>): void;
  settle(org: string): Promise<void>;
  /** a session's minutes in the ledger: ms by number, over all periods */
  minutes(org: string, session: string): number[];
  /** Redis is emptied, as by FLUSHALL */
  empty(): void;
  recover(shard: number): Promise<void>;
  /** charged time of the ledger and of the meter's unsettled set, as the meter knows it */
  usedMs(org: string): Promise<number>;
}

export const periodAt = (at: number) => BEGIN + Math.floor((at - BEGIN) / PERIOD_MS) * PERIOD_MS;

export function createTestMeter(options: { speed?: number; meterBaseAt?: number } = {}): TestMeter {
  const { speed = 1 } = options;
  const model = createModel({ clock: Date.now });
  const books = createLedger();
  const specs = new Map<string, AccountSpec>();
  const dates = new Map<string, LotDates>();
  const generations = new Map<number, number>();
  const realBaseAt = Date.now();
  const clock = {
    meterBaseAt: options.meterBaseAt ?? realBaseAt,
    realBaseAt,
    speed,
    frozen: false,
  };
  const reset = (shard: number) => {
    const generation = (generations.get(shard) ?? 0) + 1;
    generations.set(shard, generation);
    return model.reset({ shard, runId: 'model', generation, clock });
  };

  function tell(): void {
    const events = model.events.splice(0);
    if (it.isDeaf || events.length === 0) return;
    setTimeout(() => {
      for (const listener of it.listeners) for (const event of events) listener(event);
    }, 1);
  }
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  const reached = new Proxy(model as Meter, {
    get(target, name: keyof Meter) {
      return async (...args: unknown[]) => {
        it.calls[name] = (it.calls[name] ?? 0) + 1;
        if (it.delayMs > 0) await sleep(it.delayMs);
        if (it.isAway) throw new MeterUnreachable('away');
        const reply = await (target[name] as (...args: unknown[]) => unknown)(...args);
        tell();
        if (it.delayMs > 0) await sleep(it.delayMs);
        if (it.losesAnswers) throw new MeterUnreachable('lost');
        return reply;
      };
    },
  });
  const meter = new Proxy(reached as RedisMeter, {
    get: (target, name: keyof RedisMeter) => (name === 'shardOf' ? shardOf : target[name]),
  });

  function seedOf(org: string, names: string[]) {
    const spec = specs.get(org)!;
    const account = accountOf(books, org);
    account.grantedMs = spec.grantedMs ?? 0;
    const budgets = names.map((name) => {
      const parsed = parseBudgetName(name);
      if (parsed.scope === 'session') throw new Error(`${name} is not seeded`);
      const isMember = parsed.scope === 'member';
      const quotaMs = (isMember ? spec.memberQuotaMs : spec.quotaMs) ?? null;
      const startsAt = parsed.period;
      const limit = {
        ...{ name, org, quotaMs, version: account.version, mode: spec.mode ?? 0 },
        ...{ overageCapMs: null, startsAt, endsAt: startsAt + PERIOD_MS },
        levels: spec.levels ?? [80, 90, 100],
      };
      books.limits.set(name, limit);
      return budgetSeed(books, limit);
    });
    const generation = generations.get(shardOf(org)) ?? 0;
    return { org, generation, account: structuredClone(account), budgets };
  }

  async function change(org: string, spec: AccountSpec): Promise<void> {
    specs.set(org, { ...specs.get(org), ...spec });
    books.version += 1;
    accountOf(books, org).version = books.version;
    const names = [...books.limits.keys()].filter((name) => parseBudgetName(name).org === org);
    if (names.length > 0) await model.seed(seedOf(org, names));
    tell();
  }

  const present = <Value>(value: Value): Promise<Value> =>
    it.isLedgerAway ? Promise.reject(new Error('Postgres is away')) : Promise.resolve(value);

  const it: TestMeter = {
    ...{
      clock,
      meter,
      model,
      isAway: false,
      losesAnswers: false,
      isLedgerAway: false,
      isDeaf: false,
      delayMs: 0,
    },
    ...{ recoversAfterMs: 50, calls: {}, listeners: new Set() },
    ledger: {
      limits: (org) => {
        const spec = specs.get(org);
        return present(spec === undefined ? null : limitsOf(org, spec));
      },
      period: (org, at) => {
        const startsAt = periodAt(at);
        return present(specs.has(org) ? { startsAt, endsAt: startsAt + PERIOD_MS } : null);
      },
      seeds: async (org, names) => present(seedOf(org, names)),
      starts: (org, since) =>
        present(
          [...books.sessions]
            .filter(([, known]) => known.org === org && known.startedAt >= since)
            .map(([key, { user, startedAt }]) => {
              return { user, session: key.slice(org.length + 1), startedAt };
            }),
        ),
      base: (org, session) => {
        const known = books.sessions.get(`${org}|${session}`);
        if (known === undefined) return present(null);
        const closedAt = known.row?.endedAt || null;
        return present({ user: known.user, base: baseOf(books, org, session)!, closedAt });
      },
      lotDates: (org, since) => {
        const { next, expired, holdUntil } = dates.get(org) ?? NO_DATES;
        return present({ next, expired: expired.filter(({ at }) => at > since), holdUntil });
      },
      async requestRecovery(shard) {
        if (it.recoversAfterMs !== null)
          setTimeout(() => void it.recover(shard), it.recoversAfterMs);
      },
    },
    account(org, spec = {}) {
      specs.set(org, spec);
    },
    raise: (org, ms) => change(org, { quotaMs: (specs.get(org)?.quotaMs ?? 0) + ms }),
    grant: (org, ms) => change(org, { grantedMs: (specs.get(org)?.grantedMs ?? 0) + ms }),
    date: (org, ends) => void dates.set(org, { ...NO_DATES, ...ends }),
    async settle(org) {
      const shard = shardOf(org);
      const reply = await model.pending(shard, { limit: 10_000 });
      if (reply.status !== 'ok') return;
      const items = reply.items.filter((item) => item.generation === generations.get(shard));
      commit(books, items);
      const budgets = [...books.sums.values()];
      const removed = items.map(({ field, value }) => ({ field, value }));
      const generation = generations.get(shard)!;
      const accounts = [...books.accounts.values()].map(({ drawn }) => drawn);
      await model.settled({ shard, generation, removed, budgets, accounts });
      tell();
    },
    minutes(org, session) {
      const minutes: number[] = [];
      for (const [key, ms] of books.sessions.get(`${org}|${session}`)?.minutes ?? []) {
        const number = Number(key.split('|')[0]);
        minutes[number] = (minutes[number] ?? 0) + ms;
      }
      return minutes;
    },
    empty() {
      for (const shard of generations.keys()) model.lose(shard);
      // A worker looks at every shard, whether anybody asks or not.
      if (it.recoversAfterMs === null) return;
      setTimeout(() => {
        for (const shard of generations.keys()) void it.recover(shard);
      }, it.recoversAfterMs);
    },
    async recover(shard) {
      const probe = await model.pending(shard, { limit: 1 });
      if (probe.status === 'ok') return;
      commit(books, await model.flush(shard));
      const mine = [...books.sessions].filter(([, { org }]) => shardOf(org) === shard);
      for (const org of new Set(mine.map(([, session]) => session.org))) {
        fillMissingMinutes(books, org);
      }
      await reset(shard);
      const generation = generations.get(shard)!;
      const sessions = mine.map(([key, { org, user }]) => {
        const session = key.slice(org.length + 1);
        return { session, org, user, base: baseOf(books, org, session)! };
      });
      const open = sessions.filter(({ base }) => !base.ended);
      await model.adopt({ shard, generation, sessions: open });
      await model.announce(shard, generation);
      tell();
    },
    async usedMs(org) {
      const names = [...books.limits.keys()].filter((name) => name.startsWith(`o|${org}|`));
      const reply = await model.readBudgets(org, names);
      if (reply.status !== 'ok') throw new Error(reply.status);
      return reply.budgets.reduce((sum, row) => sum + row.usedMs, 0);
    },
  };
  for (let shard = 0; shard < 64; shard++) void reset(shard);
  return it;
}

function limitsOf(org: string, spec: AccountSpec): Limits {
  return {
    ...{ org, shard: shardOf(org), timeZone: 'UTC', anchorDay: 1, suspended: false, plan: 'plan' },
    ...{ isShadow: spec.mode === 2, concurrentSessions: null, maxSessionMs: null },
    ...{ sessionsPerDay: null, maxFileBytes: null, onMeterFailure: 'continue' as const },
    ...{ meterFailureMs: 600_000, saveWindowMs: 10_000, levels: spec.levels ?? [80, 90, 100] },
    ...{ outageTime: 'charge' as const, features: {}, dailyCostCents: null, member: null },
    ...{ atLimit: 'stop' as const, overageCapMs: null },
    ...{ queue: null, isLeased: false, hasOwnLength: false },
    ...spec.limits,
  };
}
