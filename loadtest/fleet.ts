/** The recorders of one process, and what they come to at any moment. */
import { isLive } from '../client/index.ts';
import { Recorder, type RecorderMeans } from './recorder.ts';
import type { RecorderLog } from './recorder-log.ts';
import type { RecorderScript } from './scenario.ts';

/** At one instant; `beats` and the counters below it only grow. */
export interface FleetCount {
  /** live sessions, those that wait for their connection included */
  live: number;
  away: number;
  over: number;
  beats: number;
  warnings: number;
  stops: number;
  refused: number;
}

export const NOTHING_COUNTED: FleetCount = {
  ...{ live: 0, away: 0, over: 0, beats: 0, warnings: 0, stops: 0, refused: 0 },
};

export function addCounts(counts: readonly FleetCount[]): FleetCount {
  const names = Object.keys(NOTHING_COUNTED) as (keyof FleetCount)[];
  const sum = { ...NOTHING_COUNTED };
  for (const count of counts) for (const name of names) sum[name] += count[name];
  return sum;
}

export interface Fleet {
  count(): FleetCount;
  /** Resolves when every recorder is over. */
  over: Promise<void>;
  logs(): RecorderLog[];
  /** Lets go of all that still run. */
  stop(): Promise<void>;
}

export function startFleet(scripts: readonly RecorderScript[], means: RecorderMeans): Fleet {
  const recorders = scripts.map((script) => new Recorder(script, means));
  const runs = recorders.map((recorder) => recorder.run());
  return {
    count() {
      const sum = { ...NOTHING_COUNTED };
      for (const recorder of recorders) {
        const { state } = recorder;
        const log = recorder.log();
        sum.beats += log.ticks;
        sum.warnings += log.warnings.length;
        if (log.stop) sum.stops += 1;
        if (log.refused) sum.refused += 1;
        if (isLive(state)) sum.live += 1;
        else if (state.phase !== 'idle' && state.phase !== 'starting') sum.over += 1;
        if (isLive(state) && state.connection.is !== 'open') sum.away += 1;
      }
      return sum;
    },
    over: Promise.all(runs).then(() => {}),
    logs: () => recorders.map((recorder) => recorder.log()),
    async stop() {
      for (const recorder of recorders) recorder.close();
      await Promise.allSettled(runs);
    },
  };
}
