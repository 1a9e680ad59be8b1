/**
 * A gateway's part in recovering a shard (rule 22 of core/meter/README.md): asks for it, waits until
 * the meter answers again, then re-asserts what it remembers: live sessions, detached ones, and
 * the final totals of those that are over.
 */

import type { AssertReply, Meter } from '../core/meter/commands.ts';
import { shardOf } from '../core/meter/keys.ts';
import type { LedgerBase, Witness } from '../core/meter/rows.ts';
import type { Log } from '../core/runtime/log.ts';
import type { Ledger } from './ledger.ts';
import type { Seeding } from './seeding.ts';
import type { LiveSession } from './session.ts';

const LOOK_MS = 200;
/** The request stands in Postgres; now and then it is repeated, should it not have got there. */
const ASK_EVERY_LOOKS = 10;
/** An assertion that finds no end in so many rounds waits for the session's next word. */
const MAX_ROUNDS = 20;
const CONCURRENT_ASSERTIONS = 20;

export type Asserted = Extract<AssertReply, { status: 'ok' | 'superseded' | 'ended' }>;

export interface RecoveryOptions {
  meter: Pick<Meter, 'assert' | 'readBudgets'>;
  ledger: Pick<Ledger, 'base' | 'requestRecovery'>;
  seeding: Seeding;
  wallMs(): number;
  log: Log;
  remembered(): LiveSession[];
  /** all that this gateway's memory can say of it (rule 22) */
  testimony(session: LiveSession): Witness;
  /** rows of the shard are numbered anew from here on */
  renumbered(shard: number): void;
  /** asks the workers at once, beside the row in Postgres that they look for */
  wake(shard: number): void;
  asserted(session: LiveSession, reply: Asserted): void;
  /** It could not be done: the session still waits for the meter. */
  unasserted(session: LiveSession): void;
}

export interface Recovery {
  /** The meter answered `recover` for this organization's shard. */
  needed(org: string): void;
  /** The shard is back: re-asserts all that is remembered of it. */
  recovered(shard: number): Promise<void>;
  assert(session: LiveSession): Promise<void>;
  waiting(): number[];
  stop(): Promise<void>;
}

export function createRecovery(options: RecoveryOptions): Recovery {
  const { meter, ledger, seeding, log } = options;
  const waiting = new Map<number, NodeJS.Timeout>();
  const asserting = new Map<LiveSession, Promise<void>>();

  function needed(org: string): void {
    const shard = shardOf(org);
    if (waiting.has(shard)) return;
    log.warn({ shard }, 'the meter has lost a shard: asking for its recovery');
    options.renumbered(shard);
    let looks = 0;
    let isLooking = false;
    async function look(): Promise<void> {
      if (isLooking) return;
      isLooking = true;
      looks += 1;
      if (await isBack(org)) await recovered(shard, timer);
      else if (looks % ASK_EVERY_LOOKS === 0) await request(shard);
      isLooking = false;
    }
    // The event may be lost: the meter itself says when it is back.
    const timer = setInterval(() => void look(), LOOK_MS);
    waiting.set(shard, timer);
    void request(shard);
  }

  async function request(shard: number): Promise<void> {
    options.wake(shard);
    await ledger.requestRecovery(shard).catch((error) => {
      log.warn({ err: error, shard }, 'the request for a recovery could not be written yet');
    });
  }

  async function isBack(org: string): Promise<boolean> {
    const reply = await meter.readBudgets(org, []).catch(() => null);
    return reply?.status === 'ok';
  }

  /** `asked`: the timer of the look that found out; by now the event may have told it already. */
  async function recovered(shard: number, asked = waiting.get(shard)): Promise<void> {
    if (waiting.get(shard) !== asked) return;
    clearInterval(asked);
    waiting.delete(shard);
    options.renumbered(shard);
    const sessions = options.remembered().filter(({ org }) => shardOf(org) === shard);
    if (sessions.length > 0) log.info({ shard, sessions: sessions.length }, 're-asserting');
    for (let i = 0; i < sessions.length; i += CONCURRENT_ASSERTIONS) {
      await Promise.all(sessions.slice(i, i + CONCURRENT_ASSERTIONS).map((it) => assert(it)));
    }
  }

  /** Where the ledger knows nothing of a session, it began as its own marks say. */
  async function baseOf(session: LiveSession): Promise<LedgerBase> {
    const known = await ledger.base(session.org, session.id);
    if (known) return known.base;
    const marks = [{ period: session.marks[0]!.period, chargedMs: 0 }];
    const { startedAt } = session;
    return { startedAt, ended: false, reason: '', overshootMs: 0, marks, chargedMs: 0 };
  }

  /** null: it could not be done yet */
  async function ask(session: LiveSession): Promise<Asserted | null> {
    let base: LedgerBase | null = null;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const reply = await meter.assert({
        org: session.org,
        session: session.id,
        user: session.user,
        witness: options.testimony(session),
        base,
        sessionLimitMs: session.limits.sessionLimitMs,
        sessionLevels: session.limits.sessionLevels,
        gatewayWallMs: options.wallMs(),
      });
      if (reply.status === 'unknown') base = await baseOf(session);
      else if (reply.status === 'recover') {
        needed(session.org);
        break;
      } else if (reply.status !== 'unseeded') return reply;
      // Of two generations, while a recovery is half done: its next word asserts it again.
      else if (!(await seeding.seed(session.org, reply.budgets))) break;
    }
    return null;
  }

  async function run(session: LiveSession): Promise<void> {
    let reply: Asserted | null = null;
    try {
      reply = await ask(session);
    } catch (error) {
      log.debug({ err: error, session: session.id }, 'a session could not be asserted yet');
    }
    // What follows may lead to another assertion.
    asserting.delete(session);
    if (reply) options.asserted(session, reply);
    else options.unasserted(session);
  }

  function assert(session: LiveSession): Promise<void> {
    let going = asserting.get(session);
    if (!going) {
      going = run(session);
      asserting.set(session, going);
    }
    return going;
  }

  return {
    needed,
    recovered: (shard) => recovered(shard),
    assert,
    waiting: () => [...waiting.keys()],
    async stop() {
      for (const timer of waiting.values()) clearInterval(timer);
      waiting.clear();
    },
  };
}
