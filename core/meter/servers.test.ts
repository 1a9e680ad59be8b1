/** How words are parted over the servers of a cluster, and what is said where one cannot be asked. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { createLog } from '../runtime/log.ts';
import type { MeterConnection } from '../runtime/meter-server.ts';
import { connectMeter } from '../runtime/redis.ts';
import type { BeatItem } from './commands.ts';
import { meterKeys, SHARDS, shardOf } from './keys.ts';
import { createMeter } from './meter.ts';
import { type MeterServer, MeterUnreachable, PartUnreachable } from './servers.ts';

const namespace = `servers-${randomBytes(6).toString('hex')}`;
const keys = meterKeys(namespace);
const orgs = Array.from({ length: 30 }, (_, i) => `org-${i}`);
const items: BeatItem[] = orgs.map((org) => ({
  ...{ org, session: 's1', epoch: { generation: 1, counter: 1 } },
  ...{ totalMs: 5_000, ageMs: 0, state: 'recording' },
}));
const head = (org: string) => keys.head(shardOf(org));

let connection: MeterConnection;
/** what is found under a key, where it is not the truth */
let found = (_key: string, truth: MeterServer | null) => truth;
let looks = 0;
beforeAll(async () => {
  const log = createLog({ name: 'test', level: 'silent' });
  connection = connectMeter(inject('clusterUrl'), { log });
  await connection.ready();
  const clock = { meterBaseAt: 0, realBaseAt: 0, speed: 1, frozen: true };
  for (let shard = 0; shard < SHARDS; shard++) {
    const runId = connection.serverOf(keys.head(shard))!.runId()!;
    await meter().reset({ shard, runId, generation: 1, clock });
  }
});
afterAll(async () => {
  for (let shard = 0; shard < SHARDS; shard++) {
    await connection.redisOf(keys.head(shard)).del(keys.head(shard));
  }
  await connection.stop();
});
beforeEach(() => {
  looks = 0;
  found = (_, truth) => truth;
});

function meter() {
  const { isCluster, servers } = connection;
  const serverOf = (key: string) => found(key, connection.serverOf(key));
  const lookAgain = () => {
    looks += 1;
  };
  return createMeter({ isCluster, servers, serverOf, lookAgain }, { namespace });
}

it('answers words of every server in the order they were said', async () => {
  expect(new Set(orgs.map((org) => connection.serverOf(head(org)))).size).toBe(3);
  const [recovering] = orgs;
  await connection.redisOf(head(recovering!)).del(head(recovering!));
  const reply = await meter().beats(items, 0);
  const shard = shardOf(recovering!);
  expect(reply.items.map((item) => item?.status)).toEqual(
    orgs.map((org) => (shardOf(org) === shard ? 'recover' : 'unknown')),
  );
  expect(looks).toBe(0);
});

it('keeps the words of a server that is missing, and no others', async () => {
  const [missing] = connection.servers();
  found = (_, truth) => (truth === missing ? null : truth);
  const reply = await meter().beats(items, 0);
  expect(reply.items.map((item) => item === null)).toEqual(
    orgs.map((org) => connection.serverOf(head(org)) === missing),
  );
  expect(looks).toBe(1);
});

it('sends no command on to whom a server names, and looks again who has what', async () => {
  const [one, other] = connection.servers();
  const org = orgs.find((it) => connection.serverOf(head(it)) === one)!;
  found = () => other!;
  const asked = meter().readBudgets(org, []);
  await expect(asked).rejects.toThrow(PartUnreachable);
  await expect(asked).rejects.toMatchObject({
    cause: { message: expect.stringMatching(/^MOVED/) },
  });
  const reply = await meter().beats(items, 0);
  expect(reply.items.map((item) => item === null)).toEqual(
    orgs.map((it) => connection.serverOf(head(it)) !== other),
  );
  expect(looks).toBe(2);
});

it('carries the run id of the server that is asked: of another one, it decides nothing', async () => {
  const [one, other] = connection.servers();
  const { redis } = one!;
  const org = orgs.find(
    (it) => connection.serverOf(head(it)) === one && shardOf(it) !== shardOf(orgs[0]!),
  )!;
  expect(await meter().readBudgets(org, [])).toMatchObject({ status: 'ok' });
  found = () => ({ redis, runId: () => other!.runId() });
  expect(await meter().readBudgets(org, [])).toEqual({ status: 'recover' });
});

it('says that nobody answers only where nobody does', async () => {
  const servers = () => connection.servers().map(({ redis }) => ({ redis, runId: () => null }));
  const lookAgain = () => {};
  const away = createMeter(
    { isCluster: true, servers, serverOf: () => servers()[0]!, lookAgain },
    { namespace },
  );
  const asked = away.beats(items, 0);
  await expect(asked).rejects.toThrow(MeterUnreachable);
  await expect(asked).rejects.not.toThrow(PartUnreachable);
  await expect(away.readBudgets(orgs[0]!, [])).rejects.toThrow(MeterUnreachable);
});
