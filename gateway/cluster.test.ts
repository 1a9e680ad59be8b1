/**
 * The whole product on a Redis Cluster of three primaries with a replica each: limits, and servers
 * killed under live sessions of every shard's server. No second lost, none twice.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SettlePayload } from '../core/jobs/queues.ts';
import { meterKeys, shardOf } from '../core/meter/keys.ts';
import { slotOf } from '../core/runtime/hash-slot.ts';
import { createLog } from '../core/runtime/log.ts';
import { openQueue } from '../core/runtime/queue.ts';
import { connect } from '../drizzle/client.ts';
import { startTestCluster, type TestCluster } from '../local/test-cluster.ts';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder } from './test-recorder.ts';
import {
  acknowledged,
  endsExactly,
  growsBeyond,
  type Recorded,
  record,
  resumeAt,
  settlesAt,
} from './test-sessions.ts';

/** A minute of meter time a second, so that whole minutes settle while the test looks on. */
const SPEED = 60;
const INTERVAL_MS = 200;
const ACCOUNTS = 9;
/** How far the replica that takes over is behind. */
const LAG_MS = 2_000;
/** Real time that may count beyond a recorder's own, for messages under way. */
const SLACK_MS = 1_500;

type ClusterServer = TestCluster['servers'][number];

let cluster: TestCluster;
let product: TestProduct;
let accounts: Account[];
beforeAll(async () => {
  cluster = await startTestCluster({ hasReplicas: true });
  product = await startTestProduct({
    ...{ gateways: 2, intervalMs: INTERVAL_MS, speed: SPEED, redisUrl: cluster.url },
  });
}, 120_000);
afterAll(async () => {
  await product?.stop();
  await cluster?.stop();
});

/** Three organizations on each primary. */
async function accountsEverywhere(plan: { minutes: number }): Promise<Account[]> {
  const found = new Map<ClusterServer, Account[]>();
  const primaries = cluster.servers.filter((server) => server.slots);
  while ([...found.values()].flat().length < ACCOUNTS) {
    const account = await createAccount(product, plan);
    const owner = primaries.find((server) => isOf(server, shardOf(account.org)))!;
    const own = found.get(owner) ?? [];
    if (own.length < ACCOUNTS / 3) found.set(owner, [...own, account]);
  }
  return [...found.values()].flat();
}

it('warns and stops on every server, and bills exactly the limit', async () => {
  const limitMs = 3 * 60_000;
  accounts = await accountsEverywhere({ minutes: 3 });
  await Promise.all(
    accounts.map(async (account, i) => {
      const recorder = await connectRecorder(product.gateways[i % 2]!.connectUrl);
      const { session } = await recorder.start({ ticket: await account.ticket() });
      expect((await recorder.next('stop')).reason).toBe('limitReached');
      const warned = recorder.messages.flatMap((it) =>
        it.type === 'warning' && 'percent' in it.threshold ? [it.threshold.percent] : [],
      );
      expect(warned).toEqual([80, 90, 100]);
      const { summary } = await recorder.next('ended');
      const row = await settlesAt(product, account.org, session, summary.recordedMs);
      expect(row.recordedMs - row.overshootMs).toBe(limitMs);
    }),
  );
});

const isOf = ({ slots }: ClusterServer, shard: number) => {
  const slot = slotOf(meterKeys().head(shard));
  return slots !== null && slot >= slots[0] && slot <= slots[1];
};

async function readGenerations(): Promise<number[]> {
  const { sql, stop } = connect(product.databaseUrl);
  const rows = await sql<{ generation: number }[]>`
    select recovered_generation as generation from shards order by shard`;
  await stop();
  return rows.map((row) => row.generation);
}

/**
 * All record, something happens to a primary, all go on, and stop: every second is there, once, and
 * its shards were recovered, and no others.
 */
async function survives(
  primary: ClusterServer,
  happen: (recorded: Recorded[]) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  const before = await readGenerations();
  const recorded: Recorded[] = await Promise.all(
    accounts.map((account, i) => record(product, account, { gateway: i % 2, forMs: 60_000 })),
  );
  const recordedAt = performance.now();
  await happen(recorded);
  await cluster.isWhole();
  await Promise.all(
    recorded.map(async (it) => {
      const laterMs = await growsBeyond(it.recorder, acknowledged(it.recorder) + 3 * 60_000);
      const now = performance.now();
      const totalMs = await endsExactly(product, it.account.org, it, laterMs);
      const leastMs = it.acknowledgedMs + (now - recordedAt - SLACK_MS) * SPEED;
      expect(totalMs).toBeGreaterThan(leastMs);
      expect(totalMs).toBeLessThan((performance.now() - startedAt + SLACK_MS) * SPEED);
    }),
  );
  (await readGenerations()).forEach((generation, shard) => {
    if (isOf(primary, shard)) expect(generation).toBeGreaterThan(before[shard]!);
    else expect(generation).toBe(before[shard]!);
  });
}

it('goes on after a primary was killed and a replica that lagged took over', async () => {
  accounts = await accountsEverywhere({ minutes: 600 });
  const [primary, , , replica] = cluster.servers;
  await survives(primary!, async (recorded) => {
    await cluster.holdBack(primary!);
    await sleep(LAG_MS);
    await cluster.kill(primary!);
    // A recorder that is cut off meanwhile comes back elsewhere, and its time away counts.
    const cutOff = recorded.find(({ account }) => isOf(primary!, shardOf(account.org)))!;
    cutOff.recorder.cut();
    cutOff.recorder = await resumeAt(product, 1 - (recorded.indexOf(cutOff) % 2), cutOff);
    await cluster.leads(replica!);
  });
  await cluster.restart(primary!);
  await cluster.follows(primary!);
});

it('goes on after a primary stood still, was replaced, and went on', async () => {
  const [replica, , , primary] = cluster.servers;
  await survives(replica!, async () => {
    process.kill(primary!.pid, 'SIGSTOP');
    await cluster.leads(replica!).finally(() => process.kill(primary!.pid, 'SIGCONT'));
  });
});

it('goes on after a server was killed and came back empty', async () => {
  const [, primary, , , replica] = cluster.servers;
  await survives(primary!, async () => {
    await cluster.kill(primary!, replica!);
    await cluster.restart(primary!, { isEmpty: true });
  });
});

it('goes on after a server was killed and came back with its file', async () => {
  const [, primary] = cluster.servers;
  await survives(primary!, async () => {
    await cluster.kill(primary!);
    await cluster.restart(primary!);
  });
});

it('goes on after a new server took the slots of one that is gone', async () => {
  const [, , primary, , , replica] = cluster.servers;
  await survives(primary!, async () => {
    await cluster.kill(primary!, replica!);
    await cluster.replace(primary!);
  });
});

it('goes on while slots move from one server to another', async () => {
  const [to, from] = cluster.servers;
  const moved = accounts.map(({ org }) => shardOf(org)).find((shard) => isOf(from!, shard))!;
  const slot = slotOf(meterKeys().head(moved));
  await survives({ ...from!, slots: [slot, slot] }, () =>
    cluster.move(slot, from!, to!, () => sleep(INTERVAL_MS / 4)),
  );
});

it('hands jobs over still', async () => {
  const log = createLog({ name: 'test', level: 'silent' });
  const { queue, stop } = openQueue<SettlePayload>({ url: cluster.url, name: 'settle', log });
  await queue.waitUntilReady();
  const { id } = await queue.add('minutes', { shard: 0, fields: [] });
  // Whoever has done it removes it.
  await until(
    () => queue.getJob(id!),
    (job) => job === undefined,
  );
  await stop();
});
