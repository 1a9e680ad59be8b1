/** Everything one experiment starts, and the order in which it ends. */
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { type Crowd, startCrowd } from '../crowd/crowd.ts';
import type { Place } from './pin.ts';
import {
  type Peer,
  type PeerName,
  type ProductOptions,
  type Server,
  startGateway,
  startPeer,
  startWorker,
} from './server.ts';
import { type BenchStores, startBenchStores } from './stores.ts';

type Extra = Pick<ProductOptions, 'env' | 'nodeArguments'>;

export interface Stand {
  stores: BenchStores;
  /** every process of ours, by name */
  pids: Map<string, number>;
  gateway(name: string, extra?: Extra): Promise<Server>;
  /** the one worker; the same again where it runs already */
  worker(place: Place, extra?: Extra): Promise<Server>;
  peer(name: PeerName, tick: string, nodeArguments?: readonly string[]): Promise<Peer>;
  crowd(name: string): Promise<Crowd>;
  /** Before all others end. */
  end(server: Server): Promise<void>;
}

/** It ends with its experiment. */
export async function openStand(bench: Bench, name: string, speed = 1): Promise<Stand> {
  const { pinning, baseEnv } = bench;
  const dataDir = join(bench.dataDir, name);
  const stops: (() => Promise<void>)[] = [];
  bench.onEnd(async () => {
    for (let last = stops.pop(); last; last = stops.pop()) {
      await last().catch((error: unknown) => bench.incident(`at the end: ${error}`));
    }
  });
  const stores = await startBenchStores({ dataDir, pinning, speed });
  stops.push(stores.stop);
  const pids = new Map<string, number>([...Object.entries(stores.pids), ['bench', process.pid]]);
  let worker: Server | null = null;
  const product = { stores, dataDir, baseEnv, pinning, incident: bench.incident };

  function keep<Kept extends { pid: number; stop(): Promise<void> }>(name: string, kept: Kept) {
    pids.set(name, kept.pid);
    stops.push(() => kept.stop());
    return kept;
  }

  return {
    stores,
    pids,
    gateway: async (name, extra) => keep(name, await startGateway({ ...product, name, ...extra })),
    async worker(place, extra) {
      worker ??= keep('worker', await startWorker({ ...product, name: 'worker', ...extra }, place));
      return worker;
    },
    async peer(name, tick, nodeArguments = []) {
      const { redisUrl, adminUrl: databaseUrl } = stores;
      const settings = { redisUrl, databaseUrl, tick };
      const peer = await startPeer({ name, settings, dataDir, baseEnv, pinning, nodeArguments });
      return keep(name, peer);
    },
    async crowd(name) {
      const crowd = keep(name, startCrowd());
      await pinning.pin(crowd.pid, 'rest');
      return crowd;
    },
    async end(server) {
      pids.delete(server.name);
      await server.stop();
    },
  };
}
