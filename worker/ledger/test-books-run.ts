/**
 * Recorders, the meter in memory and workers that settle into the books in memory: killed before and
 * after they commit, repeated and late, two at once; a Redis that is emptied; lots; a month's end.
 */
import type { BeatItem } from '../../core/meter/commands.ts';
import { shardOf } from '../../core/meter/keys.ts';
import { createModel } from '../../core/meter/model.ts';
import type { LimitMode, SessionRow } from '../../core/meter/rows.ts';
import type { Dice } from '../../core/meter/schedule.ts';
import { type Books, baseOf, commit, createBooks, ORG, seedOf } from './test-books.ts';

export const MAY = Date.UTC(2026, 4, 1);
export const JUNE = Date.UTC(2026, 5, 1);
const JULY = Date.UTC(2026, 6, 1);
const DAY_MS = 24 * 3_600_000;
const SHARD = shardOf(ORG);
export const SESSIONS = ['s1', 's2', 's3'] as const;
const USERS = ['alice', 'bob'];

export const WEIGHTS = {
  beat: 8,
  settle: 3,
  dieBefore: 1,
  dieAfter: 1,
  repeatLate: 1,
  twoAtOnce: 1,
  lose: 1,
  cutShort: 1,
  close: 1,
  lot: 1,
  raise: 1,
} as const;
export type BooksStep = { kind: keyof typeof WEIGHTS; seed: number };

type Pending = Extract<
  Awaited<ReturnType<ReturnType<typeof createModel>['pending']>>,
  { status: 'ok' }
>;

export class BooksRun {
  readonly books: Books;
  readonly model = createModel({ clock: () => this.now });
  readonly told = new Map<string, number>();
  readonly open = new Set<string>();
  /** by rule 19, from what each recorder said and when: `session|period` → ms */
  readonly placed = new Map<string, number>();
  raised = false;
  /**
   * A quota rose while the meter had not heard of a commit: it takes back from lots what the ledger
   * has burnt for good, and lends it again. Whoever draws on that owes it, and nobody bills it.
   */
  mayOwe = false;
  private isUntold = false;
  now: number;
  private readonly upTo = new Map<string, number>();
  /** what its gateway remembers */
  private readonly memory = new Map<string, SessionRow>();
  private late: Pending | null = null;

  constructor(dice: Dice) {
    const quotaMs = dice.chance(0.3) ? null : dice.below(480_000);
    const mode = dice.pick([0, 0, 1]) as LimitMode;
    const overageCapMs = dice.pick([null, 60_000]);
    const endOf = (start: number) => (start === MAY ? JUNE : JULY);
    this.books = createBooks({ quotaMs, mode, overageCapMs, endOf });
    this.now = JUNE - dice.pick([20 * DAY_MS, 1 + dice.below(300_000)]);
  }

  async begin(): Promise<void> {
    this.model.setRunId('life');
    await this.reset();
  }

  private reset(): Promise<void> {
    const clock = { meterBaseAt: this.now, realBaseAt: this.now, speed: 1, frozen: false };
    const { generation } = this.books;
    return this.model.reset({ shard: SHARD, runId: 'life', generation, clock });
  }

  private async seed(): Promise<void> {
    for (const period of this.now < JUNE ? [MAY] : [MAY, JUNE]) {
      const reply = await this.model.seed(seedOf(this.books, period, USERS));
      if (reply.status !== 'ok') throw new Error(`A seed was answered ${reply.status}`);
    }
  }

  async take(kind: BooksStep['kind'], dice: Dice): Promise<void> {
    switch (kind) {
      case 'beat':
        return this.beat(dice.pick(SESSIONS), 1 + dice.below(100_000), dice);
      case 'settle':
        return this.settle(1 + dice.below(6));
      case 'dieBefore':
        this.late = await this.pending(1_000);
        return;
      case 'dieAfter': {
        const { items } = await this.pending(1_000);
        await commit(this.books, items, this.now);
        this.isUntold = true;
        return;
      }
      case 'repeatLate':
        // Work of an older generation is not written (rule 22): gateways have told it again.
        if (this.late?.generation === this.books.generation) await this.write(this.late);
        return;
      case 'twoAtOnce': {
        const pending = await this.pending(1_000);
        await commit(this.books, pending.items, this.now);
        await this.write(pending);
        return;
      }
      case 'lose':
        this.model.lose(SHARD);
        return this.recover();
      case 'cutShort':
        // Whoever recovered it died before it brought the sessions back.
        this.model.lose(SHARD);
        this.books.generation += 1;
        await this.reset();
        return this.recover();
      case 'close':
        return this.close(dice.pick(SESSIONS));
      case 'lot': {
        const purchase = `lot-${String(this.books.lots.length).padStart(3, '0')}`;
        this.books.lots.push({ purchase, grantedMs: 1 + dice.below(120_000), usedMs: 0 });
        this.books.version += 1;
        return this.seed();
      }
      case 'raise': {
        const { books } = this;
        if (books.quotaMs === null) return;
        this.raised = true;
        this.mayOwe ||= this.isUntold;
        books.quotaMs += dice.below(60_000);
        books.version += 1;
        for (const period of books.periods.values()) period.quotaMs = books.quotaMs;
        return this.seed();
      }
    }
  }

  private async pending(limit: number): Promise<Pending> {
    const reply = await this.model.pending(SHARD, { limit });
    if (reply.status !== 'ok') throw new Error('The shard must be recovered');
    return reply;
  }

  async settle(limit: number): Promise<void> {
    await this.write(await this.pending(limit));
  }

  private async write({ items, generation }: Pending): Promise<void> {
    const sums = await commit(this.books, items, this.now);
    const removed = items.map(({ field, value }) => ({ field, value }));
    await this.model.settled({ shard: SHARD, generation, removed, ...sums });
    this.isUntold = false;
  }

  private async beat(session: string, ms: number, dice: Dice): Promise<void> {
    if (!this.open.has(session)) {
      if (this.told.has(session) || !(await this.start(session))) return;
    }
    this.now += ms;
    const total = this.told.get(session)! + ms;
    const state = dice.pick(['recording', 'recording', 'paused', 'detached'] as const);
    await this.say(session, total, state);
    this.told.set(session, total);
    this.place(session, ms);
  }

  private async start(session: string): Promise<boolean> {
    await this.seed();
    const reply = await this.model.open({
      ...{ session, org: ORG, user: session === 's3' ? 'bob' : 'alice', kind: 'new', base: null },
      ...{ period: this.now < JUNE ? MAY : JUNE, witness: null, authenticates: false },
      ...{ memoryMs: null, countedGapMs: 20_000, concurrentSessions: null, plannedMs: null },
      ...{ sessionLimitMs: null, sessionLevels: [], gatewayWallMs: this.now },
    });
    if (reply.status === 'limitReached') return false;
    if (reply.status !== 'opened') throw new Error(`A start was answered ${reply.status}`);
    this.memory.set(session, reply.session);
    this.open.add(session);
    this.told.set(session, 0);
    this.upTo.set(session, this.now);
    return true;
  }

  private async say(session: string, totalMs: number, state: BeatItem['state']): Promise<void> {
    for (let round = 0; ; round++) {
      const { epoch } = this.memory.get(session)!;
      const item: BeatItem = { org: ORG, session, epoch, totalMs, ageMs: 0, state };
      const [answer] = (await this.model.beats([item], this.now)).items;
      if (answer?.missingPeriod == null && answer?.totalMs === totalMs) break;
      if (round === 3) throw new Error(`A beat was answered ${JSON.stringify(answer)}`);
      await this.seed();
    }
    await this.remember(session);
  }

  private async remember(session: string): Promise<void> {
    const reply = await this.model.readSession(ORG, session);
    if (reply.status === 'ok') this.memory.set(session, reply.session);
  }

  /** Rule 19: what was recorded before the month's end is the old month's. */
  private place(session: string, ms: number): void {
    const upTo = this.upTo.get(session)!;
    const old = this.now < JUNE ? ms : Math.min(ms, Math.max(0, JUNE - upTo));
    for (const [period, part] of [[MAY, old] as const, [JUNE, ms - old] as const]) {
      const key = `${session}|${period}`;
      if (part > 0) this.placed.set(key, (this.placed.get(key) ?? 0) + part);
    }
    this.upTo.set(session, this.now);
  }

  /** Rule 22: (a) to (d), then what gateways remember, of sessions that are over, too. */
  private async recover(): Promise<void> {
    const { books, model } = this;
    books.generation += 1;
    await commit(books, await model.flush(SHARD), this.now);
    await this.reset();
    this.isUntold = false;
    const sessions = [...this.memory.values()].flatMap(({ session, user }) => {
      const base = baseOf(books, session);
      return base === null || base.ended ? [] : [{ session, org: ORG, user, base }];
    });
    await model.adopt({ shard: SHARD, generation: books.generation, sessions });
    await this.seed();
    for (const row of this.memory.values()) await this.assert(row);
  }

  private async assert(row: SessionRow): Promise<void> {
    const { session, user, epoch, totalMs, overshootMs, marks } = row;
    const state = this.open.has(session) ? ('recording' as const) : ('detached' as const);
    const base = baseOf(this.books, session) ?? {
      ...{ startedAt: row.startedAt, ended: false, reason: '', overshootMs: 0, chargedMs: 0 },
      marks: [{ period: marks[0]!.period, chargedMs: 0 }],
    };
    const reply = await this.model.assert({
      ...{ org: ORG, session, user, base, sessionLimitMs: null, sessionLevels: [] },
      witness: { epoch, totalMs, overshootMs, at: row.chargedUpTo, state, marks },
      gatewayWallMs: this.now,
    });
    if (reply.status === 'ok' && !this.open.has(session)) await this.end(session);
    else if (reply.status !== 'ok' && reply.status !== 'ended') {
      throw new Error(`An assertion was answered ${reply.status}`);
    }
    await this.remember(session);
  }

  async close(session: string): Promise<void> {
    if (!this.open.delete(session)) return;
    await this.end(session);
    await this.remember(session);
  }

  private async end(session: string): Promise<void> {
    const totalMs = this.told.get(session)!;
    const by = { owner: this.memory.get(session)!.epoch, totalMs, ageMs: 0 };
    const reply = await this.model.close({
      ...{ org: ORG, session, reason: 'stopped', by, gatewayWallMs: this.now },
    });
    if (reply.status !== 'ended') throw new Error(`An end was answered ${reply.status}`);
  }
}
