/**
 * A small world for directed scenarios: organization `acme`, member `ann`, a month that begins at
 * START, and a clock that stands still between steps. It speaks to the meter as a gateway does:
 * it remembers epochs, asks Postgres (`bases`) when the meter does not know a session, and says
 * totals. What it returns are the meter's own replies.
 */
import { memberBudget, organizationBudget, sessionBudget } from './budget-name.ts';
import type {
  BeatItem,
  BeatReply,
  BudgetSeed,
  CloseReply,
  DeadlineReply,
  OpenReply,
  SeedReply,
  Unsettled,
} from './commands.ts';
import { shardOf } from './keys.ts';
import type { OpenCommand } from './open-command.ts';
import type { BudgetRow, Epoch, LedgerBase, SessionRow, Witness } from './rows.ts';
import type { Subject } from './test-subject.ts';
import { FIRST_LIFE } from './test-subject.ts';

export const ORG = 'acme';
export const USER = 'ann';
export const SHARD = shardOf(ORG);
export const START = Date.UTC(2026, 0, 1);
/** where the first period ends and the second begins */
export const BOUNDARY = Date.UTC(2026, 1, 1);
export const END = Date.UTC(2026, 2, 1);
export const PERCENT_LEVELS = [80, 90, 100];

export interface Limits {
  quotaMs?: number | null;
  memberQuotaMs?: number | null;
  mode?: 0 | 1 | 2;
  overageCapMs?: number | null;
  levels?: number[];
  crossed?: number[];
  version?: number;
  grantedMs?: number;
  grantVersion?: number;
  suspended?: boolean;
  period?: number;
  endsAt?: number;
  sequence?: number;
  usedMs?: number;
  generation?: number;
  drawnMs?: number;
  drawnSequence?: number;
}

export interface World {
  subject: Subject;
  /** meter time and real time, frozen */
  now: number;
  epochs: Map<string, Epoch>;
  bases: Map<string, LedgerBase>;
  advance(ms: number): Promise<void>;
  setNow(at: number): Promise<void>;
  seed(limits?: Limits): Promise<SeedReply>;
  open(session: string, options?: Partial<OpenCommand>): Promise<OpenReply>;
  beat(session: string, totalMs: number, options?: BeatOptions): Promise<BeatReply>;
  close(session: string, totalMs: number, ageMs?: number): Promise<CloseReply>;
  deadline(scope?: 'organization' | 'member'): Promise<DeadlineReply>;
  organization(period?: number): Promise<BudgetRow>;
  member(period?: number): Promise<BudgetRow>;
  own(session: string): Promise<BudgetRow>;
  session(session: string): Promise<SessionRow>;
  pending(): Promise<Unsettled[]>;
  /** minutes of the unsettled set as `session|minute|period` → ms */
  minutes(): Promise<Record<string, number>>;
}
export type BeatOptions = Partial<Omit<BeatItem, 'session' | 'totalMs'>> & { wallMs?: number };

export async function beginWorld(subject: Subject): Promise<World> {
  const { meter } = subject;
  const epochs = new Map<string, Epoch>();
  const bases = new Map<string, LedgerBase>();
  subject.setRunId(FIRST_LIFE);
  const frozen = (at: number) => ({ meterBaseAt: at, realBaseAt: at, speed: 1, frozen: true });
  await meter.reset({ shard: SHARD, runId: FIRST_LIFE, generation: 1, clock: frozen(START) });
  await subject.takeEvents();

  async function budget(name: string): Promise<BudgetRow> {
    const reply = await meter.readBudgets(ORG, [name]);
    const row = reply.status === 'ok' ? reply.budgets[0] : undefined;
    if (row === undefined) throw new Error(`${name} is not there: ${JSON.stringify(reply)}`);
    return row;
  }

  const world: World = {
    subject,
    now: START,
    epochs,
    bases,
    async advance(ms) {
      await world.setNow(world.now + ms);
    },
    async setNow(at) {
      world.now = at;
      await subject.setClock(SHARD, frozen(at));
    },
    async seed(limits = {}) {
      const period = limits.period ?? START;
      const version = limits.version ?? 1;
      const settled = (name: string, usedMs: number) => ({
        ...{ name, sequence: limits.sequence ?? 1, usedMs, planMs: usedMs },
        ...{ extraMs: 0, overageMs: 0 },
      });
      const budgetSeed = (name: string, quotaMs: number | null): BudgetSeed => ({
        ...{ name, org: ORG, quotaMs, version, mode: limits.mode ?? 0 },
        overageCapMs: limits.overageCapMs ?? null,
        startsAt: period,
        endsAt: limits.endsAt ?? (period === START ? BOUNDARY : END),
        levels: limits.levels ?? PERCENT_LEVELS,
        crossed: limits.crossed ?? (limits.levels ?? PERCENT_LEVELS).map(() => 0),
        settled: settled(name, limits.usedMs ?? 0),
      });
      return meter.seed({
        org: ORG,
        generation: limits.generation ?? 1,
        account: {
          org: ORG,
          grantedMs: limits.grantedMs ?? 0,
          version: limits.grantVersion ?? 1,
          suspended: limits.suspended ?? false,
          drawn: {
            org: ORG,
            sequence: limits.drawnSequence ?? 1,
            drawnMs: limits.drawnMs ?? 0,
          },
        },
        budgets: [
          budgetSeed(organizationBudget(ORG, period), limits.quotaMs ?? null),
          budgetSeed(memberBudget(ORG, USER, period), limits.memberQuotaMs ?? null),
        ],
      });
    },
    async open(session, options = {}) {
      const kind = options.kind ?? 'new';
      const command: OpenCommand = {
        ...{ session, org: ORG, user: USER, period: START, base: null },
        ...{ witness: null, authenticates: false, memoryMs: null, countedGapMs: 20_000 },
        ...{ concurrentSessions: null, sessionLimitMs: null, sessionLevels: [], plannedMs: null },
        gatewayWallMs: world.now,
        ...options,
        kind: 'resume',
      };
      let reply = await meter.open(command);
      if (reply.status === 'unknown') {
        const base = bases.get(session) ?? (command.witness && baseOfWitness(command.witness));
        if (base !== null || kind === 'new') reply = await meter.open({ ...command, base, kind });
      }
      if (reply.status === 'opened' || reply.status === 'resumed') {
        epochs.set(session, reply.session.epoch);
      }
      return reply;
    },
    async beat(session, totalMs, { wallMs, ...options } = {}) {
      const epoch = epochs.get(session) ?? { generation: 1, counter: 1 };
      const item: BeatItem = {
        ...{ org: ORG, session, epoch, totalMs, ageMs: 0, state: 'recording' },
        ...options,
      };
      const reply = await meter.beats([item], wallMs ?? world.now);
      const [first] = reply.items;
      if (!first) throw new Error('A beat without an answer');
      return first;
    },
    async close(session, totalMs, ageMs = 0) {
      const owner = epochs.get(session) ?? { generation: 1, counter: 1 };
      const by = { owner, totalMs, ageMs };
      return meter.close({ org: ORG, session, reason: 'stopped', by, gatewayWallMs: world.now });
    },
    deadline: async (scope = 'organization') =>
      meter.deadline(
        ORG,
        scope === 'member' ? memberBudget(ORG, USER, START) : organizationBudget(ORG, START),
      ),
    organization: (period = START) => budget(organizationBudget(ORG, period)),
    member: (period = START) => budget(memberBudget(ORG, USER, period)),
    own: (session) => budget(sessionBudget(ORG, session)),
    async session(session) {
      const reply = await meter.readSession(ORG, session);
      if (reply.status !== 'ok') throw new Error(`${session}: ${reply.status}`);
      return reply.session;
    },
    async pending() {
      const reply = await meter.pending(SHARD, { limit: 10_000 });
      if (reply.status !== 'ok') throw new Error('The shard must be recovered');
      return reply.items;
    },
    async minutes() {
      const minutes: Record<string, number> = {};
      for (const item of await world.pending()) {
        if (item.kind !== 'minute') continue;
        minutes[`${item.session}|${item.minute}|${item.period}`] = item.ms;
      }
      return minutes;
    },
  };
  return world;
}

/** Of a session that only its witness knows: it began as its own marks say. */
export function baseOfWitness({ marks, at, totalMs }: Witness): LedgerBase {
  const first = { period: marks[0]?.period ?? START, chargedMs: 0 };
  const nothing = { ended: false, reason: '', overshootMs: 0, chargedMs: 0 };
  return { ...nothing, startedAt: at - totalMs, marks: [first] };
}

export function witnessOf(row: SessionRow, more: Partial<Witness> = {}): Witness {
  const { epoch, totalMs, overshootMs, marks } = row;
  return { epoch, totalMs, overshootMs, at: row.chargedUpTo, state: 'recording', marks, ...more };
}
