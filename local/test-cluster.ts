/** A cluster of one's own, for tests of what happens to its servers. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import {
  addServer,
  ask,
  type ClusterOptions,
  type ClusterServer,
  meet,
  type RunningCluster,
  startCluster,
  startClusterServer,
  untilAll,
  untilWhole,
} from './redis-cluster.ts';

const KEYS_A_TURN = 100;
const MIGRATE_PATIENCE_MS = 5_000;

export interface TestCluster extends RunningCluster {
  /** From now on this primary's replica hears nothing of what is written, as one that lags. */
  holdBack(primary: ClusterServer): Promise<void>;
  /** SIGKILL; answers when they are gone. */
  kill(...servers: ClusterServer[]): Promise<void>;
  /** Starts a server that was killed again, as the same one; `isEmpty`: without its data. */
  restart(server: ClusterServer, options?: { isEmpty?: boolean }): Promise<void>;
  /** A new, empty server takes the slots of one that was killed, and the others forget that one. */
  replace(dead: ClusterServer): Promise<void>;
  /** Moves a slot with its keys, as `redis-cli --cluster reshard` does; `between`: each few keys. */
  move(
    slot: number,
    from: ClusterServer,
    to: ClusterServer,
    between?: () => Promise<void>,
  ): Promise<void>;
  /** Resolves when this server is a primary. */
  leads(server: ClusterServer): Promise<void>;
  /** Resolves when this server is a replica that has what its primary has. */
  follows(server: ClusterServer): Promise<void>;
  /** Resolves when every slot is served, as all who live see it. */
  isWhole(): Promise<void>;
}

export async function startTestCluster(
  options: Omit<ClusterOptions, 'folder'> = {},
): Promise<TestCluster> {
  const folder = join(inject('runFolder'), `cluster-${randomBytes(6).toString('hex')}`);
  const cluster = await startCluster({ ...options, folder });
  const { servers } = cluster;
  const dead = new Set<ClusterServer>();
  const living = () => servers.filter((server) => !dead.has(server));
  let added = 0;

  const says = (server: ClusterServer, words: string, what: string) =>
    untilAll([server], what, async (it) =>
      (await ask<string>(it, (redis) => redis.info('replication'))).includes(words),
    );

  return {
    ...cluster,
    leads: (server) => says(server, 'role:master', 'a replica did not take over'),
    follows: (server) => says(server, 'master_link_status:up', 'a replica did not follow'),
    isWhole: () => untilWhole(living()),
    async holdBack(primary) {
      await ask(primary, async (redis) => {
        // Who is connected stays so; the replica can't come back.
        await redis.config('SET', 'requirepass', randomBytes(16).toString('hex'));
        await redis.call('CLIENT', 'KILL', 'TYPE', 'replica');
      });
    },
    async kill(...killed) {
      for (const server of killed) {
        dead.add(server);
        process.kill(server.pid, 'SIGKILL');
      }
      await Promise.all(killed.map((server) => server.stop()));
    },
    async restart(server, { isEmpty = false } = {}) {
      const data = join(server.dataDir, 'appendonlydir');
      if (isEmpty) rmSync(data, { recursive: true, force: true });
      Object.assign(server, await startClusterServer(server.dataDir, server.port));
      dead.delete(server);
    },
    async replace(gone) {
      servers.splice(servers.indexOf(gone), 1);
      for (const server of living()) await ask(server, (it) => it.cluster('FORGET', gone.id));
      added += 1;
      const server = await addServer(join(folder, `added-${added}`), gone.slots);
      servers.push(server);
      await meet(server, living()[0]!);
    },
    async move(slot, from, to, between = async () => {}) {
      await ask(to, (redis) => redis.cluster('SETSLOT', slot, 'IMPORTING', from.id));
      await ask(from, (redis) => redis.cluster('SETSLOT', slot, 'MIGRATING', to.id));
      for (;;) {
        const keys = await ask<string[]>(from, (redis) =>
          redis.cluster('GETKEYSINSLOT', slot, KEYS_A_TURN),
        );
        if (keys.length === 0) break;
        for (const key of keys) {
          await ask(from, (redis) =>
            redis.migrate('127.0.0.1', to.port, key, 0, MIGRATE_PATIENCE_MS),
          );
          await between();
        }
      }
      for (const server of [to, from]) {
        await ask(server, (redis) => redis.cluster('SETSLOT', slot, 'NODE', to.id));
      }
    },
  };
}
