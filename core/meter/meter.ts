/** The meter in Redis: one typed call a script. What each does is in README.md and commands.ts. */
import { beatsAtOnce, beatsByShard } from './beats.ts';
import type {
  AssertReply,
  CloseReply,
  CountReply,
  CutReply,
  DeadlineReply,
  ExtendReply,
  Meter,
  MeterClock,
} from './commands.ts';
import { decodeBudgetRow, decodeSessionRow, decodeUnsettled } from './decode.ts';
import { type MeterKeys, meterKeys, SHARDS, shardOf } from './keys.ts';
import {
  clockArguments,
  closeArguments,
  keyOf,
  openReply,
  packed,
  placesReply,
  RECOVER,
  type Reply,
  told,
} from './replies.ts';
import type { ScriptName } from './scripts.ts';
import {
  type Arguments,
  createAsking,
  type MeterServer,
  type MeterServers,
  runIdOf,
  serversOf,
} from './servers.ts';

export interface RedisMeter extends Meter {
  /** The shard's clock, for tests and for a changed speed. */
  setClock(shard: number, clock: MeterClock): Promise<void>;
  shardOf(org: string): number;
}

/** `connection`: to one server, or to those of a cluster. */
export function createMeter(
  connection: MeterServer | MeterServers,
  options: { namespace?: string; shards?: number } = {},
): RedisMeter {
  const keys: MeterKeys = meterKeys(options.namespace);
  const shards = options.shards ?? SHARDS;
  const shard = (org: string) => shardOf(org, shards);
  const head = (org: string) => keys.head(shard(org));
  const servers = serversOf(connection);
  const asking = createAsking(servers);
  const beats = servers.isCluster ? beatsByShard : beatsAtOnce;

  /** A call without a run id. */
  function run(name: ScriptName, headKey: string, args: Arguments): Promise<unknown> {
    return asking.run(name, [headKey], () => args);
  }

  /** A call that carries the run id. */
  async function ask(name: ScriptName, headKey: string, args: Arguments): Promise<Reply> {
    const reply = await asking.run(name, [headKey], (server) => [runIdOf(server), ...args]);
    return reply as Reply;
  }

  return {
    shardOf: shard,

    async open(command) {
      const reply = await ask('open', head(command.org), [command.gatewayWallMs, packed(command)]);
      return openReply(reply);
    },

    beats: (items, gatewayWallMs) => beats(asking, items, gatewayWallMs, { shard, keys }),

    async close(command) {
      const reply = await ask('close', head(command.org), [
        command.gatewayWallMs,
        keyOf(command),
        command.reason,
        ...closeArguments(command),
      ]);
      if (reply[0] === 'recover') return RECOVER;
      if (reply[0] === 'ended') return { status: 'ended', ...told(reply) };
      return { status: reply[0], now: reply[1] } as CloseReply;
    },

    async deadline(org, budget) {
      const [status, now, row] = await ask('deadline', head(org), [budget]);
      if (status === 'recover' || status === 'unknown') return { status } as DeadlineReply;
      return { status, now, budget: decodeBudgetRow(row as string) } as DeadlineReply;
    },

    async seed(command) {
      const reply = await ask('seed', head(command.org), [JSON.stringify(command)]);
      if (reply[0] !== 'ok') return { status: reply[0] as 'recover' | 'staleGeneration' };
      return { status: 'ok', now: reply[1], budgets: (reply[2] as string[]).map(decodeBudgetRow) };
    },

    async cut(org, period) {
      const [status, now, what] = await ask('cut', head(org), [org, period]);
      if (status === 'recover') return RECOVER;
      if (status === 'unseeded') return { status, budgets: what as string[] };
      return { status, now, at: what } as CutReply;
    },

    async stop(org, session) {
      const [status] = await ask('stop', head(org), [keyOf({ org, session })]);
      return { status: status as 'recover' | 'ok' | 'unknown' | 'ended' };
    },

    async count(command) {
      const [status, now] = await ask('count', head(command.org), [JSON.stringify(command)]);
      return { status, now } as CountReply;
    },

    async leave(org, user, session) {
      const [status] = await ask('leave', head(org), [org, `${user}|${session}`]);
      return { status: status as 'recover' | 'ok' };
    },

    async extend(command) {
      const reply = await ask('extend', head(command.org), [JSON.stringify(command)]);
      if (reply[0] === 'recover') return RECOVER;
      if (reply[0] === 'unseeded') return { status: 'unseeded', budgets: reply[2] as string[] };
      if (reply[0] === 'ok') return { status: 'ok', ...told(reply) };
      return { status: reply[0], now: reply[1] } as ExtendReply;
    },

    async pending(number, asked) {
      const args = 'limit' in asked ? [asked.limit] : [0, ...asked.fields];
      const reply = await ask('pending', keys.head(number), args);
      if (reply[0] === 'recover') return RECOVER;
      const [, now, generation, flat] = reply;
      return {
        status: 'ok',
        now,
        generation: generation as number,
        items: decodeUnsettled(flat as string[]),
      };
    },

    async settled({ shard: number, generation, removed, budgets, accounts }) {
      const flat = removed.flatMap(({ field, value }) => [field, value]);
      const reply = await ask('settled', keys.head(number), [
        generation,
        JSON.stringify({ removed: flat, budgets, accounts }),
      ]);
      if (reply[0] !== 'ok') return { status: reply[0] as 'recover' | 'staleGeneration' };
      return { status: 'ok', now: reply[1], removed: reply[2] as number };
    },

    async flush(number) {
      return decodeUnsettled((await run('flush', keys.head(number), [])) as string[]);
    },

    async reset({ shard: number, runId: id, generation, clock }) {
      await run('reset', keys.head(number), [id, generation, ...clockArguments(clock)]);
    },

    async adopt({ shard: number, generation, sessions }) {
      const [status] = await ask('adopt', keys.head(number), [generation, packed(sessions)]);
      return { status: status as 'recover' | 'staleGeneration' | 'ok' };
    },

    async announce(number, generation) {
      await asking.publish(keys.channel(number), `recovered ${generation}`);
    },

    async assert(command) {
      const reply = await ask('assert', head(command.org), [
        command.gatewayWallMs,
        packed(command),
      ]);
      if (reply[0] === 'recover') return RECOVER;
      if (reply[0] === 'unknown') return { status: 'unknown' };
      if (reply[0] === 'unseeded') return { status: 'unseeded', budgets: reply[2] as string[] };
      return { status: reply[0], ...told(reply) } as AssertReply;
    },

    async readBudgets(org, names) {
      const reply = await ask('read', head(org), ['budgets', ...names]);
      if (reply[0] === 'recover') return RECOVER;
      return { status: 'ok', now: reply[1], budgets: (reply[2] as string[]).map(decodeBudgetRow) };
    },

    async readSession(org, session) {
      const reply = await ask('read', head(org), ['session', keyOf({ org, session })]);
      if (reply[0] === 'recover') return RECOVER;
      const row = (reply[2] as string[])[0];
      if (row === undefined) return { status: 'unknown' };
      return { status: 'ok', now: reply[1], session: decodeSessionRow(row) };
    },

    async liveSessions(org) {
      const reply = await ask('read', head(org), ['live', org]);
      if (reply[0] === 'recover') return RECOVER;
      return {
        status: 'ok',
        now: reply[1],
        sessions: (reply[2] as string[]).map(decodeSessionRow),
      };
    },

    async readPlaces(org, user, { startsAt, endsAt }) {
      return placesReply(await ask('read', head(org), ['places', org, user, startsAt, endsAt]));
    },

    async shardSessions(number) {
      const reply = await ask('read', keys.head(number), ['shard']);
      if (reply[0] === 'recover') return RECOVER;
      return {
        status: 'ok',
        now: reply[1],
        sessions: (reply[2] as string[]).map(decodeSessionRow),
      };
    },

    async setClock(number, clock) {
      await run('clock', keys.head(number), clockArguments(clock));
    },
  };
}
