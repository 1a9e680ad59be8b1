import { and, eq, isNull } from 'drizzle-orm';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { sessionLeases } from '../../drizzle/schema/session-terms.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import { createShardSettler } from '../ledger/shard-settler.ts';
import { createTestLedger, type TestLedger, type TestOrganization } from '../test-ledger.ts';
import { createSessionSweep, type SessionSweep } from './session-sweep.ts';

const WINDOWS = { resumeWindowMs: 120_000, maxPauseMs: 600_000 };

let ledger: TestLedger | undefined;
let acme: TestOrganization;
let sweep: SessionSweep;
let monotonicMs: number;

beforeEach(async () => {
  ledger ??= await createTestLedger();
  acme = await ledger.account();
  monotonicMs = 0;
  const { context } = ledger;
  const settler = createShardSettler({ context, needsRecovery: () => {} });
  sweep = createSessionSweep({
    context,
    settler,
    windows: WINDOWS,
    monotonicMs: () => monotonicMs,
  });
});
afterAll(() => ledger?.stop());

const stateOf = async () =>
  (await ledger!.connection.db.select().from(sessions).where(eq(sessions.org, acme.org)))[0];

async function later(ms: number): Promise<void> {
  monotonicMs += ms;
  await ledger!.advance(ms);
}

it('ends a session that says nothing for a resume window, at its last proof, and settles it', async () => {
  await acme.open('s1');
  await later(5000);
  await acme.beat('s1', 5000);
  await sweep.look();
  await later(119_000);
  await sweep.look();
  expect((await acme.session('s1')).state).toBe('recording');
  await later(2000);
  await sweep.look();
  expect(await stateOf()).toMatchObject({
    ...{ state: 'closed', reason: 'disconnected', recordedMs: 5000, settledMs: 5000 },
  });
});

it('lets live what answers, even if nothing is recorded, but not longer than a pause may be', async () => {
  await acme.open('s1');
  for (let i = 0; i < 9; i++) {
    await acme.beat('s1', 0, 'paused');
    await sweep.look();
    await later(60_000);
  }
  expect((await acme.session('s1')).state).toBe('paused');
  await acme.beat('s1', 0, 'paused');
  await sweep.look();
  await later(60_000);
  await acme.beat('s1', 0, 'paused');
  await sweep.look();
  expect(await stateOf()).toMatchObject({ state: 'closed', reason: 'pausedTooLong' });
});

it('does not take a stepped clock for silence', async () => {
  await acme.open('s1');
  await sweep.look();
  await ledger!.advance(3_600_000);
  await sweep.look();
  expect((await acme.session('s1')).state).toBe('recording');
});

it('ends nothing that spoke between the look and the end', async () => {
  await acme.open('s1');
  await sweep.look();
  await later(130_000);
  const { context } = ledger!;
  const meter = {
    ...context.meter,
    close: async (command: Parameters<typeof context.meter.close>[0]) => {
      await acme.beat('s1', 1);
      return context.meter.close(command);
    },
  };
  const settler = createShardSettler({ context, needsRecovery: () => {} });
  const racing = createSessionSweep({
    ...{ context: { ...context, meter }, settler, windows: WINDOWS },
    monotonicMs: () => monotonicMs,
  });
  await racing.look();
  await later(130_000);
  await racing.look();
  expect((await acme.session('s1')).state).toBe('recording');
});

it('lets a session without a socket be silent for its own lease, and no longer', async () => {
  const lease = (session: string, leaseMs: number) =>
    ledger!.connection.db.insert(sessionLeases).values({
      ...{ org: acme.org, session, user: 'ann', minutesOf: 'recording', leaseMs },
      ...{ beganAt: ledger!.now, period: ledger!.now },
    });
  for (const session of ['short', 'long']) await acme.open(session);
  await lease('short', 30_000);
  await lease('long', 600_000);
  await later(5_000);
  await acme.beat('short', 5_000);
  await acme.beat('long', 5_000);
  await sweep.look();
  await later(29_999);
  await sweep.look();
  expect((await acme.session('short')).state).toBe('recording');
  await later(1);
  await sweep.look();
  const rows = async () =>
    new Map(
      (await ledger!.connection.db.select().from(sessions).where(eq(sessions.org, acme.org))).map(
        (row) => [row.id, row],
      ),
    );
  // It ends with what was proven, not with its lease.
  expect((await rows()).get('short')).toMatchObject({ reason: 'leaseLapsed', recordedMs: 5_000 });
  await later(500_000);
  await sweep.look();
  expect((await acme.session('long')).state).toBe('recording');
  await later(100_000);
  await sweep.look();
  expect((await rows()).get('long')).toMatchObject({ reason: 'leaseLapsed', recordedMs: 5_000 });
  await sweep.look();
  const open = await ledger!.connection.db
    .select()
    .from(sessionLeases)
    .where(and(eq(sessionLeases.org, acme.org), isNull(sessionLeases.endedAt)));
  expect(open).toEqual([]);
});
