/** One whole run: warms the gateway up, fuzzes it beside another recorder, and looks at what is left. */
import { type GroundOptions, openGround } from './ground.ts';
import type { FuzzReport } from './report.ts';
import { type FuzzTally, runFuzz } from './run-fuzz.ts';
import { startWitness } from './witness.ts';

/** Code is compiled and pools are filled by then: what grows later, leaks. */
const WARM_SHARE = 0.1;
const LEAST_WARM_FRAMES = 2_000;
const CALM_PATIENCE_MS = 60_000;
const SETTLE_PATIENCE_MS = 30_000;

export interface FuzzRun extends GroundOptions {
  seed: number;
  frames: number;
  /** number of the first conversation */
  from: number;
  transport: 'ws' | 'uws';
  incidents: string[];
  progress?(frames: number): void;
  signal?: AbortSignal;
}

export async function fuzz(run: FuzzRun): Promise<FuzzReport> {
  const { seed, frames, transport, incidents } = run;
  const ground = await openGround(run);
  const witness = await startWitness(run.port, await ground.ticketOf('witness'));
  const beganAt = performance.now();
  const common = {
    ...{ port: run.port, seed, mayCut: transport === 'uws', pass: ground.pass },
    ...(run.signal && { signal: run.signal }),
  };
  try {
    const warmFrames = Math.min(frames, Math.max(LEAST_WARM_FRAMES, frames * WARM_SHARE));
    const first = await runFuzz({
      ...common,
      from: run.from,
      frames: warmFrames,
      ...(run.progress && { progress: run.progress }),
    });
    await ground.calm(1, CALM_PATIENCE_MS);
    const warm = await ground.memory();
    const tally = await goOn(first);
    const left = await ground.calm(1, CALM_PATIENCE_MS);
    const after = await ground.memory();
    const account = await witness.stop();
    const settledMs = await ground.settledMs(
      account.session,
      account.recordedMs,
      SETTLE_PATIENCE_MS,
    );
    return {
      ...{ seed, transport, tally, left, incidents },
      seconds: (performance.now() - beganAt) / 1_000,
      memory: { warm, after },
      witness: { ...account, settledMs },
    };
  } finally {
    witness.cut();
  }

  async function goOn(first: FuzzTally): Promise<FuzzTally> {
    const rest = frames - first.frames;
    if (rest <= 0 || first.faults.length > 0) return first;
    const progress = (done: number) => run.progress?.(first.frames + done);
    const from = run.from + first.conversations;
    return sum(first, await runFuzz({ ...common, from, frames: rest, progress }));
  }
}

function sum(a: FuzzTally, b: FuzzTally): FuzzTally {
  const ended = { ...a.ended };
  for (const [how, times] of Object.entries(b.ended)) ended[how] = (ended[how] ?? 0) + times;
  return {
    conversations: a.conversations + b.conversations,
    frames: a.frames + b.frames,
    ended,
    faults: [...a.faults, ...b.faults],
  };
}
