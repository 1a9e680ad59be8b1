/**
 * Many short schedules of one kind, from one seed: in the suite as many as its time bears, with
 * `npm run simulate` as many as asked for. The first that fails ends it, cut down to few steps.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** How often something was met: a command's answer, a fault, a check. */
export type Coverage = Record<string, number>;

export interface Simulated {
  steps: number;
  /** sentences that say what is wrong; none when all is well */
  problems: string[];
}

export interface Kind {
  name: 'meter' | 'lockstep' | 'gateway' | 'ledger';
  /** schedules in the suite, and how long it goes on looking for more on a slow machine */
  schedules: number;
  patienceMs: number;
  /** Runs the schedule of this seed. */
  run(seed: number, coverage: Coverage): Promise<Simulated>;
  /** The same in fewer steps, told so that a person can follow. */
  shrink(seed: number): Promise<string[]>;
}

/** What `npm run simulate` reads while it runs and when it is done. */
export interface SimulationReport {
  kind: string;
  seed: number;
  schedules: number;
  done: number;
  steps: number;
  tookMs: number;
  coverage: Coverage;
  failed: { seed: number; problems: string[] } | null;
}

const REPORT_EVERY_MS = 2_000;
/** Odd, so that no schedule comes twice; the first one is of the seed itself, which replays it. */
const STRIDE = 0x9e3779b1;

export const seedOf = (seed: number, i: number) => (seed + Math.imul(i, STRIDE)) >>> 0;

export function count(coverage: Coverage, what: string, times = 1): void {
  coverage[what] = (coverage[what] ?? 0) + times;
}

/** `SIMULATE`: seed, schedules and folder of the reports, as the command names them. */
function asked(kind: Kind): { seed: number; schedules: number; folder: string | null } {
  const { SIMULATE } = process.env;
  if (SIMULATE === undefined) return { seed: 1, schedules: kind.schedules, folder: null };
  const { seed, schedules, folder } = JSON.parse(SIMULATE) as {
    seed: number;
    schedules: Record<Kind['name'], number>;
    folder: string;
  };
  return { seed, schedules: schedules[kind.name], folder };
}

export async function simulate(kind: Kind): Promise<void> {
  const { seed, schedules, folder } = asked(kind);
  const startedMs = performance.now();
  const report: SimulationReport = {
    ...{ kind: kind.name, seed, schedules, done: 0, steps: 0, tookMs: 0 },
    ...{ coverage: {}, failed: null },
  };
  const write = () => {
    report.tookMs = Math.round(performance.now() - startedMs);
    if (folder === null) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${kind.name}.json`), JSON.stringify(report));
  };
  let writtenMs = startedMs;
  for (let i = 0; i < schedules && report.failed === null; i++) {
    const own = seedOf(seed, i);
    const { steps, problems } = await kind.run(own, report.coverage);
    report.done += 1;
    report.steps += steps;
    if (problems.length > 0) {
      report.failed = { seed: own, problems: [...problems, ...(await kind.shrink(own))] };
    }
    const now = performance.now();
    if (now - writtenMs > REPORT_EVERY_MS) {
      writtenMs = now;
      write();
    }
    if (folder === null && now - startedMs > kind.patienceMs) break;
  }
  write();
  if (report.failed === null) return;
  const again = `npm run simulate -- --only ${kind.name} --seed ${report.failed.seed} --schedules 1`;
  expect.fail([...report.failed.problems, `Again: ${again}`].join('\n'));
}
