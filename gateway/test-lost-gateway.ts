/** A recorder in an outage of Redis whose gateway is gone before it could tell the meter anything. */
import { expect } from 'vitest';
import {
  beginWorld,
  type Recorder,
  type TestGateway,
  type World,
  type WorldOptions,
} from './test-gateway.ts';

/** Ticks come so often: what comes after the last answer counts with the gap. */
export const INTERVAL_MS = 5_000;
/** Messages under way, each way, and the whole milliseconds of a few answers. */
export const SLACK_MS = 80;
/** The meter answers again so long after the gateway is gone. */
const AWAY_MS = 3_000;

export interface LostGateway {
  world: World;
  gateway: TestGateway;
  recorder: Recorder;
  say(state: 'recording' | 'paused'): void;
  /** The gateway is killed. `seeds`: an organization whose present budgets the meter has by then. */
  comeBack(afterMs: number, seeds?: string): Promise<Recorder>;
  end(back: Recorder): Promise<{ recordedMs: number; overshootMs: number }>;
}

/** `acme` is charged for an outage, `kind` is forgiven. */
export function beginLostGateway(options: WorldOptions = {}): LostGateway {
  const world = beginWorld(options);
  world.stores.account('acme', { quotaMs: 60_000_000 });
  world.stores.account('kind', { quotaMs: 60_000_000, limits: { outageTime: 'forgive' } });
  const gateway = world.gateway();
  const recorder = gateway.connect();
  return {
    ...{ world, gateway, recorder },
    say: (state) => recorder.send({ type: 'beat', seq: recorder.last('tick').seq, state }),
    async comeBack(afterMs, seeds) {
      gateway.kill();
      recorder.cut();
      await world.pass(AWAY_MS);
      world.stores.isAway = false;
      await world.pass(afterMs - AWAY_MS);
      const other = world.gateway();
      if (seeds !== undefined) await other.connect().start(seeds);
      const back = other.connect();
      await back.resume(recorder);
      return back;
    },
    async end(back) {
      back.send({ type: 'stop' });
      await world.pass(1_000);
      return back.last('ended').summary;
    },
  };
}

export function expectAbout(ms: number, expectedMs: number): void {
  expect(Math.abs(ms - expectedMs), `${ms}, not ${expectedMs}`).toBeLessThanOrEqual(SLACK_MS);
}
