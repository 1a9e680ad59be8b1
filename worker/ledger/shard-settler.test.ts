import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Meter } from '../../core/meter/commands.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { createShardSettler } from './shard-settler.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

async function recorded(...ids: string[]): Promise<{ acme: TestOrganization; fields: string[][] }> {
  const acme = await ledger.account();
  for (const id of ids) await acme.open(id);
  await ledger.advance(MINUTE_MS);
  for (const id of ids) await acme.beat(id, MINUTE_MS);
  const pending = await acme.pending();
  const fields = ids.map((id) =>
    pending.map((item) => item.field).filter((field) => field.includes(`|${id}`)),
  );
  return { acme, fields };
}

const settledOf = async ({ org }: TestOrganization) =>
  (await ledger.connection.db.select().from(sessions).where(eq(sessions.org, org))).map(
    (row) => row.settledMs,
  );

it('joins what is asked for while a settling of the shard is under way', async () => {
  const ids = ['s1', 's2', 's3', 's4', 's5'];
  const { acme, fields } = await recorded(...ids);
  let reads = 0;
  const meter: Meter = {
    ...ledger.meter,
    pending(shard, ask) {
      reads += 1;
      return ledger.meter.pending(shard, ask);
    },
  };
  const settler = createShardSettler({
    context: { ...ledger.context, meter },
    needsRecovery: () => {},
  });
  await Promise.all(fields.map((mine) => settler.settle(acme.shard, mine)));
  expect(await settledOf(acme)).toEqual(ids.map(() => MINUTE_MS));
  // All were asked for before the first one began, so one reading served all.
  expect(reads).toBe(1);
});

it('asks for a recovery where one is needed, and fails nobody', async () => {
  const { acme, fields } = await recorded('s1');
  await ledger.lose(acme.shard);
  const needed: number[] = [];
  const settler = createShardSettler({
    context: ledger.context,
    needsRecovery: (shard) => needed.push(shard),
  });
  await settler.settle(acme.shard, fields.flat());
  await settler.sweep(acme.shard);
  expect(needed).toEqual([acme.shard, acme.shard]);
});

it("goes on after a failure, which is the failed one's own", async () => {
  const { acme, fields } = await recorded('s1');
  let isBroken = true;
  const meter: Meter = {
    ...ledger.meter,
    pending: (shard, ask) =>
      isBroken ? Promise.reject(new Error('gone')) : ledger.meter.pending(shard, ask),
  };
  const settler = createShardSettler({
    context: { ...ledger.context, meter },
    needsRecovery: () => {},
  });
  await expect(settler.settle(acme.shard, fields.flat())).rejects.toThrow('gone');
  isBroken = false;
  await settler.sweep(acme.shard);
  expect(await settledOf(acme)).toEqual([MINUTE_MS]);
  await settler.idle();
});
