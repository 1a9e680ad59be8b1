/**
 * The rules of README.md in memory: the same commands, the same replies, the same events as the
 * scripts in Redis, written to be read. Tests hold one against the other; nothing runs on it.
 */
import type { BudgetName } from './budget-name.ts';
import type { BeatReply, Meter, MeterClock } from './commands.ts';
import { SHARDS, shardOf } from './keys.ts';
import { count, leaveQueue, places } from './model/admission.ts';
import { beat, close, silence } from './model/beat.ts';
import { cut } from './model/cut.ts';
import { deadline } from './model/deadline.ts';
import { extend } from './model/extend.ts';
import { open } from './model/open.ts';
import { adopt, assertSession, flush } from './model/recovery.ts';
import { seed } from './model/seed.ts';
import { sessionRow } from './model/session.ts';
import { describeFields, settled } from './model/settle.ts';
import type { ModelShard } from './model/shard.ts';
import { emptyShard, sessionKey } from './model/shard.ts';
import type { Turn } from './model/turn.ts';
import { beginTurn, finishTurn, readingTurn, rowsOf } from './model/turn.ts';
import type { BudgetRow, MeterEvent } from './rows.ts';

export interface ModelOptions {
  /** real time in epoch ms; unused while a shard's clock is frozen */
  clock: () => number;
}

export interface Model extends Meter {
  /** everything published so far, in order; callers may empty it */
  events: MeterEvent[];
  /** the server's run id as a caller reads it on its connection (rule 21) */
  setRunId(runId: string): void;
  setClock(shard: number, clock: MeterClock): void;
  /** freezes meter time and real time of one shard, or of all that have a head, at an instant */
  setNow(at: number, shard?: number): void;
  /** loses a shard, as an emptied Redis does */
  lose(shard: number): void;
  /** the unsettled set as it stands, for tests that look behind the commands */
  unsettled(shard: number): Map<string, string>;
}

export function createModel(options: ModelOptions): Model {
  const shards = Array.from({ length: SHARDS }, (_, number) => emptyShard(number));
  const events: MeterEvent[] = [];
  let runId = 'model';

  const at = (number: number): ModelShard => {
    const shard = shards[number];
    if (shard === undefined) throw new RangeError(`There are ${SHARDS} shards, and no ${number}`);
    return shard;
  };
  /** Rule 21: no head, or a head of another server life, decides nothing. */
  const begin = (number: number): Turn | undefined => {
    const shard = at(number);
    if (shard.head === null || shard.head.runId !== runId) return undefined;
    return beginTurn(shard, shard.head, options.clock());
  };
  const look = <Reply>(number: number, command: (turn: Turn) => Reply) => {
    const shard = at(number);
    if (shard.head === null || shard.head.runId !== runId) return { status: 'recover' as const };
    return command(readingTurn(shard, shard.head, options.clock()));
  };
  /** What a command told is published in the order it was told. */
  const run = <Reply>(number: number, command: (turn: Turn) => Reply) => {
    const turn = begin(number);
    if (turn === undefined) return { status: 'recover' as const };
    const reply = command(turn);
    events.push(...turn.events);
    return reply;
  };

  return {
    events,
    setRunId: (id) => {
      runId = id;
    },
    setClock: (shard, clock) => {
      const { head } = at(shard);
      if (head !== null) head.clock = { ...clock };
    },
    setNow: (instant, only) => {
      for (const { head, number } of shards) {
        if (head === null || (only !== undefined && only !== number)) continue;
        const { speed } = head.clock;
        head.clock = { meterBaseAt: instant, realBaseAt: instant, speed, frozen: true };
      }
    },
    lose: (shard) => {
      shards[shard] = emptyShard(shard);
    },
    unsettled: (shard) => new Map(at(shard).unsettled),

    open: async (command) => run(shardOf(command.org), (turn) => open(turn, command)),
    close: async (command) => run(shardOf(command.org), (turn) => close(turn, command)),
    deadline: async (org, budget) => run(shardOf(org), (turn) => deadline(turn, budget)),
    seed: async (command) => run(shardOf(command.org), (turn) => seed(turn, command)),
    cut: async (org, period) => run(shardOf(org), (turn) => cut(turn, org, period)),
    settled: async (command) => run(command.shard, (turn) => settled(turn, command)),
    adopt: async (command) => run(command.shard, (turn) => adopt(turn, command)),
    assert: async (command) => run(shardOf(command.org), (turn) => assertSession(turn, command)),

    count: async (command) => run(shardOf(command.org), (turn) => count(turn, command)),
    leave: async (org, user, session) =>
      run(shardOf(org), (turn) => leaveQueue(turn, { org, user, session })),
    extend: async (command) => run(shardOf(command.org), (turn) => extend(turn, command)),

    beats: async (items, gatewayWallMs) => {
      const turns = new Map<number, { turn: Turn; drawn: Set<BudgetName> } | undefined>();
      const replies = items.map((item): BeatReply => {
        const number = shardOf(item.org);
        if (!turns.has(number)) {
          const turn = begin(number);
          turns.set(number, turn && { turn, drawn: new Set() });
        }
        const entry = turns.get(number);
        return entry === undefined
          ? silence('recover')
          : beat(entry.turn, item, gatewayWallMs, entry.drawn);
      });
      const budgets: BudgetRow[] = [];
      const minutes: { shard: number; fields: string[] }[] = [];
      let now = 0;
      for (const [shard, entry] of turns) {
        if (entry === undefined) continue;
        finishTurn(entry.turn);
        events.push(...entry.turn.events);
        now = entry.turn.now;
        budgets.push(...rowsOf(entry.turn, entry.drawn));
        if (entry.turn.fields.size > 0) minutes.push({ shard, fields: [...entry.turn.fields] });
      }
      return { now, items: replies, budgets, minutes };
    },

    stop: async (org, id) =>
      run(shardOf(org), (turn) => {
        const session = turn.shard.sessions.get(sessionKey({ org, session: id }));
        if (session === undefined) return { status: 'unknown' as const };
        if (session.state === 'ended') return { status: 'ended' as const };
        if (session.stoppedBy === '') session.stoppedBy = 'session';
        turn.events.push({ kind: 'stop', org, session: id });
        return { status: 'ok' as const };
      }),

    pending: async (shard, ask) =>
      run(shard, (turn) => {
        const { now, head } = turn;
        const all = [...turn.shard.unsettled.keys()];
        const fields = 'fields' in ask ? ask.fields : all.slice(0, ask.limit);
        const items = describeFields(turn.shard, fields);
        return { status: 'ok' as const, now, generation: head.generation, items };
      }),

    flush: async (number) => {
      const shard = at(number);
      if (shard.head === null) return [];
      return flush(beginTurn(shard, shard.head, options.clock()));
    },
    reset: async ({ shard, runId: id, generation, clock }) => {
      shards[shard] = emptyShard(shard);
      at(shard).head = { runId: id, generation, clock: { ...clock } };
    },
    announce: async (shard, generation) => {
      events.push({ kind: 'recovered', shard, generation });
    },

    readBudgets: async (org, names) =>
      look(shardOf(org), (turn) => {
        return { status: 'ok' as const, now: turn.now, budgets: rowsOf(turn, names) };
      }),
    readSession: async (org, id) =>
      look(shardOf(org), (turn) => {
        const session = turn.shard.sessions.get(sessionKey({ org, session: id }));
        if (session === undefined) return { status: 'unknown' as const };
        const row = sessionRow(turn.shard, session);
        return { status: 'ok' as const, now: turn.now, session: row };
      }),
    liveSessions: async (org) =>
      look(shardOf(org), (turn) => live(turn, (session) => session.org === org)),
    readPlaces: async (org, user, day) =>
      look(shardOf(org), (turn) => places(turn, { org, user, day })),
    shardSessions: async (shard) => look(shard, (turn) => live(turn, () => true)),
  };
}

function live(turn: Turn, wanted: (session: { org: string }) => boolean) {
  const sessions = [...turn.shard.sessions.values()]
    .filter((session) => session.state !== 'ended' && wanted(session))
    .map((session) => sessionRow(turn.shard, session))
    .sort((a, b) => (a.session < b.session ? -1 : 1));
  return { status: 'ok' as const, now: turn.now, sessions };
}
