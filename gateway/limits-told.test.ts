/** A changed limit is said at once, not with the next tick: who records should see it within a second. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beginWorld, type Recorder, type World } from './test-gateway.ts';

/** Nothing that is told here is a tick of its turn. */
const INTERVAL_MS = 300_000;
/** What the meter tells is under way for a millisecond. */
const SOON_MS = 50;

let world: World;
let ann: Recorder;
let bob: Recorder;
let other: Recorder;
beforeEach(async () => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 3_600_000, memberQuotaMs: 7_200_000, levels: [] });
  world.stores.account('else', { quotaMs: 3_600_000, levels: [] });
  const [one, two] = [0, 1].map(() => world.gateway({ intervalMs: INTERVAL_MS }));
  [ann, bob, other] = [one!.connect(), two!.connect(), one!.connect()];
  await ann.start('acme');
  await bob.start('acme', { user: 'bob' });
  await other.start('else');
  await world.pass(5_000);
});
afterEach(() => world.end());

/** The limits that were said since, by ticks. */
async function saidAfter(change: () => Promise<void>) {
  const from = [ann, bob, other].map((it) => it.all('tick').length);
  await change();
  await world.pass(SOON_MS);
  return [ann, bob, other].map((it, i) =>
    it
      .all('tick')
      .slice(from[i])
      .map(({ reading }) => reading.limitMs),
  );
}

describe('a changed limit', () => {
  it('is said by one tick out of turn, to all whom it concerns and on every gateway', async () => {
    const raised = await saidAfter(() => world.stores.raise('acme', 600_000));
    expect(raised).toEqual([[4_200_000], [4_200_000], []]);
    const lowered = await saidAfter(() => world.stores.raise('acme', -1_800_000));
    expect(lowered).toEqual([[2_400_000], [2_400_000], []]);
  });

  it('is extra minutes too', async () => {
    const granted = await saidAfter(() => world.stores.grant('acme', 60_000));
    expect(granted).toEqual([[3_660_000], [3_660_000], []]);
  });

  it('that is written as it was is not said', async () => {
    expect(await saidAfter(() => world.stores.raise('acme', 0))).toEqual([[], [], []]);
  });
});
