/** Who is asked: one server has every shard, or a cluster's servers have some each. */
import type { Redis } from 'ioredis';
import { hasBroken, isOfScript, runScript, runScripts, type ScriptName } from './scripts.ts';

/** A connection to one server. */
export interface MeterServer {
  redis: Redis;
  /** the server's run id as read on this connection; null while it is not ready (rule 21) */
  runId(): string | null;
}

export interface MeterServers {
  /** a script may then speak of keys of one slot only */
  isCluster: boolean;
  /** Who has this key, as far as is known; null: nobody who can be asked now. */
  serverOf(key: string): MeterServer | null;
  servers(): MeterServer[];
  /** A server could not be asked, or said that a key is elsewhere. */
  lookAgain(): void;
}

/** Redis could not be asked, or its answer was lost. Every command may be repeated. */
export class MeterUnreachable extends Error {
  override name = 'MeterUnreachable';
}

/** One server of a cluster could not be asked; others can. */
export class PartUnreachable extends MeterUnreachable {}

/** For `catch`, where a server that is missing must not keep the others' shards waiting. */
export function nullIfPart(error: unknown): null {
  if (error instanceof PartUnreachable) return null;
  throw error;
}

const COUNTS_ON = 'The meter counts on in the gateways;';
const UNREACHABLE = `Redis did not answer. ${COUNTS_ON} check that Redis runs.`;
const PART_UNREACHABLE = `A server of the Redis cluster did not answer. ${COUNTS_ON} check that it runs, or that another one has its slots.`;

export type Arguments = (string | number | Buffer)[];

export interface Asking {
  /** Runs a script on the server of `key`; `args` are given its run id (null: it is not ready). */
  run(name: ScriptName, keys: string[], args: (server: MeterServer) => Arguments): Promise<unknown>;
  /**
   * One call a key, all of a server's in one writing. Answers in the order of the calls; null: this
   * one could not be asked. Throws where none could, and what a script threw.
   */
  runEach(
    name: ScriptName,
    calls: { key: string; args: (server: MeterServer) => Arguments }[],
  ): Promise<unknown[]>;
  publish(channel: string, message: string): Promise<void>;
}

/** What scripts carry as their first argument. Without one the connection is not ready. */
export function runIdOf(server: MeterServer): string {
  const id = server.runId();
  if (id === null) throw new NotReady();
  return id;
}

class NotReady extends Error {}

export function serversOf(connection: MeterServer | MeterServers): MeterServers {
  if ('serverOf' in connection) return connection;
  return {
    isCluster: false,
    serverOf: () => connection,
    servers: () => [connection],
    lookAgain() {},
  };
}

export function createAsking(servers: MeterServers): Asking {
  function unreachable(cause?: unknown): MeterUnreachable {
    servers.lookAgain();
    const others = servers.isCluster && servers.servers().some((it) => it.runId() !== null);
    return others
      ? new PartUnreachable(PART_UNREACHABLE, { cause })
      : new MeterUnreachable(UNREACHABLE, { cause });
  }

  /** One server's share of the calls: their answers, null where it could not be asked. */
  async function ask(
    server: MeterServer,
    name: ScriptName,
    calls: { key: string; args: (server: MeterServer) => Arguments }[],
  ): Promise<unknown[]> {
    if (server.runId() === null) return calls.map(() => null);
    const made = calls.map(({ key, args }) => ({ key, args: args(server) }));
    const answers = await runScripts(server.redis, name, made);
    return answers.map((answer) => {
      if (!(answer instanceof Error)) return answer;
      if (hasBroken(answer)) throw answer;
      return null;
    });
  }

  return {
    async run(name, keys, args) {
      const server = servers.serverOf(keys[0]!);
      if (!server) throw unreachable();
      try {
        return await runScript(server.redis, name, keys, args(server));
      } catch (cause) {
        throw isOfScript(cause) ? cause : unreachable(cause);
      }
    },

    async publish(channel, message) {
      const server = servers.serverOf(channel);
      if (!server) throw unreachable();
      await server.redis.publish(channel, message).catch((cause) => {
        throw unreachable(cause);
      });
    },

    async runEach(name, calls) {
      const shares = new Map<MeterServer, number[]>();
      calls.forEach(({ key }, i) => {
        const server = servers.serverOf(key);
        if (!server) return;
        const share = shares.get(server);
        if (share) share.push(i);
        else shares.set(server, [i]);
      });
      const answers: unknown[] = calls.map(() => null);
      await Promise.all(
        [...shares].map(async ([server, share]) => {
          const own = await ask(
            server,
            name,
            share.map((i) => calls[i]!),
          );
          own.forEach((answer, i) => {
            answers[share[i]!] = answer;
          });
        }),
      );
      if (answers.includes(null)) {
        const error = unreachable();
        if (!(error instanceof PartUnreachable)) throw error;
      }
      return answers;
    },
  };
}
