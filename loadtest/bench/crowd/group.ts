/** The crowd's connections to one server, and how they are driven. */
import { shardOf } from '../../../core/meter/keys.ts';
import { Caller } from './caller.ts';
import type { CrowdCount, Drive, OpenTask, ProbeTask } from './crowd-words.ts';
import { dialects, type SessionName } from './dialect.ts';
import type { TicketSource } from './ticket-source.ts';

/** As a gateway cuts its interval (gateway/ticker.ts), so that peers are loaded in the same rhythm. */
const MAX_SLOTS = 100;
const MIN_SLOT_MS = 5;
const OPENING_AT_ONCE = 16;
const OPEN_PATIENCE_MS = 60_000;
/** A store that is busy with everybody joining may answer too late for one of them. */
const OPEN_TRIES = 5;
const OPEN_AGAIN_MS = 500;

export class Group {
  readonly #task: OpenTask;
  readonly #tickets: TicketSource | null;
  readonly #callers: Caller[] = [];
  readonly #waiting = new Map<Caller, { resolve(): void; reject(error: Error): void }>();
  #latenciesMs: number[] = [];
  /** Joining would take far longer if those who are in were metered meanwhile. */
  #isAnswering = false;
  #timer: NodeJS.Timeout | undefined;
  #drive: Drive = { kind: 'rest' };
  #count: CrowdCount = { beats: 0, live: 0, lost: 0, whyLost: null, bytesHeard: 0, sample: null };

  constructor(task: OpenTask, tickets: TicketSource | null) {
    this.#task = task;
    this.#tickets = tickets;
  }

  /** Resolves when all are in. @throws Error with why the first was not */
  async open(): Promise<void> {
    const { sessions, overMs, patienceMs } = this.#task;
    const startMs = performance.now();
    const isLate = () => patienceMs !== null && performance.now() - startMs > patienceMs;
    let next = 0;
    const openSome = async () => {
      for (let i = next++; i < sessions.length && !isLate(); i = next++) {
        const dueMs = startMs + (overMs * i) / sessions.length;
        await wait(dueMs - performance.now());
        await this.#openPatiently(sessions[i]!);
      }
    };
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, openSome));
    this.#isAnswering = true;
  }

  async #openPatiently(name: SessionName): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const caller = await this.#openOne(name);
        this.#count.live += 1;
        this.#callers.push(caller);
        return;
      } catch (error) {
        if (tries === OPEN_TRIES) throw error;
        await wait(OPEN_AGAIN_MS);
      }
    }
  }

  async #openOne(name: SessionName): Promise<Caller> {
    const { port, dialect } = this.#task;
    const ticket = (await this.#tickets?.ticket(name)) ?? '';
    return new Promise<Caller>((resolve, reject) => {
      const made: Caller = new Caller({
        ...{ port, name, ticket, dialect: dialects[dialect], listener: this.#listener },
      });
      const timer = setTimeout(() => made.failed('it was not let in in time'), OPEN_PATIENCE_MS);
      const settle = (then: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(made);
        then();
      };
      this.#waiting.set(made, {
        resolve: () => settle(() => resolve(made)),
        reject: (error) => settle(() => reject(error)),
      });
    });
  }

  readonly #listener = {
    ready: (caller: Caller) => this.#waiting.get(caller)?.resolve(),
    sample: (text: string) => {
      this.#count.sample ??= text;
    },
    ticked: (caller: Caller, seq: number, bytes: number) => {
      this.#count.beats += 1;
      this.#count.bytesHeard += bytes;
      if (!Number.isNaN(caller.askedAtMs)) {
        this.#latenciesMs.push(performance.now() - caller.askedAtMs);
        caller.askedAtMs = Number.NaN;
      }
      // A gateway has asked; a peer has answered.
      if (this.#task.dialect === 'taximeter') {
        if (this.#isAnswering) caller.beat(seq);
      } else if (this.#drive.kind === 'closed') caller.beat(caller.sent + 1);
    },
    lost: (caller: Caller, why: string) => {
      const waiting = this.#waiting.get(caller);
      if (waiting) return waiting.reject(new Error(`${this.#task.target}: ${why}`));
      this.#count.lost += 1;
      this.#count.live -= 1;
      this.#count.whyLost ??= why;
    },
  };

  drive(drive: Drive): void {
    clearInterval(this.#timer);
    this.#drive = drive;
    if (drive.kind === 'open') this.#driveOpen(drive.intervalMs);
    if (drive.kind === 'closed') for (const caller of this.#callers) caller.beat(caller.sent + 1);
  }

  /** A late timer makes up for what it missed, as a gateway's does. */
  #driveOpen(intervalMs: number): void {
    const count = Math.max(1, Math.min(MAX_SLOTS, Math.floor(intervalMs / MIN_SLOT_MS)));
    const slots: Caller[][] = Array.from({ length: count }, () => []);
    for (const caller of this.#callers) slots[shardOf(caller.name.org, count)]!.push(caller);
    const startMs = performance.now();
    let turned = 0;
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startMs) * count) / intervalMs);
      turned = Math.max(turned, due - count);
      for (; turned < due; turned += 1) {
        for (const caller of slots[turned % count]!) caller.beat(caller.sent + 1);
      }
    }, intervalMs / count);
  }

  count(): CrowdCount {
    return this.#count;
  }

  setPaused(isPaused: boolean): void {
    const { flip } = dialects[this.#task.dialect];
    if (flip === null) return;
    for (const caller of this.#callers) {
      caller.isPaused = isPaused;
      caller.say(flip(caller.lastSeq, isPaused));
    }
  }

  /** How long an answer takes that comes once the beat is counted, at even distances, in ms. */
  async probe({ connections, everyMs, forMs }: ProbeTask): Promise<number[]> {
    this.#latenciesMs = [];
    const { flip } = dialects[this.#task.dialect];
    const asking = this.#callers.slice(0, connections);
    const ask = (caller: Caller) => {
      if (!Number.isNaN(caller.askedAtMs)) return;
      caller.askedAtMs = performance.now();
      if (flip === null) return caller.beat(caller.sent + 1);
      caller.isPaused = !caller.isPaused;
      caller.say(flip(caller.lastSeq, caller.isPaused));
    };
    const rounds = Math.floor(forMs / everyMs);
    for (let round = 0; round < rounds; round += 1) {
      for (const caller of asking) {
        ask(caller);
        await wait(everyMs / asking.length);
      }
    }
    await wait(everyMs);
    for (const caller of asking) {
      caller.askedAtMs = Number.NaN;
      if (flip !== null && caller.isPaused) ask(caller);
      caller.askedAtMs = Number.NaN;
    }
    return this.#latenciesMs;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const caller of this.#callers) caller.close();
  }
}

function wait(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
