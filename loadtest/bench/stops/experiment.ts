/** P4 and P7: how late a stop comes at the client, and whether every millisecond is accounted for. */
import { spreadOf } from '../../statistics.ts';
import type { Bench, Experiment } from '../bench.ts';
import { type Figure, type Histogram, notMeasured, type Outcome, type Table } from '../outcome.ts';
import { openStand } from '../stand/stand.ts';
import { SIZES } from './organizations.ts';
import { runStops, type StopsRun } from './run-stops.ts';

const INTERVALS_MS = [1_000, 5_000, 30_000];
const LATE_LIMIT_MS = 50;
const STOPWATCH_LIMIT_MS = 100;
const QUICK_RUNS = 1;
const FULL_RUNS = 3;
/** In a quick run there are half as many budgets of each size. */
const QUICK_SCALE = 0.5;

/** Ticks come this far apart at the most, and stops all the same at their instant. */
const seconds = (ms: number) => `${ms / 1_000} s`;

export const stops: Experiment = {
  name: 'stops',
  targets: ['P4', 'P7'],
  seconds: { quick: 64, full: 270 },
  async run(bench) {
    const stand = await openStand(bench, 'stops');
    await stand.worker('rest');
    const runs: StopsRun[] = [];
    let longestMs = 0;
    const rounds = bench.isQuick ? QUICK_RUNS : FULL_RUNS;
    for (let round = 1; round <= rounds; round += 1) {
      for (const intervalMs of INTERVALS_MS) {
        bench.check();
        if (runs.length > 0 && bench.msLeft() < longestMs) continue;
        const startMs = performance.now();
        bench.say(`stops: ticks every ${seconds(intervalMs)}, run ${round} of ${rounds}`);
        const name = `stops-${round}-${intervalMs}`;
        const scale = bench.isQuick ? QUICK_SCALE : 1;
        runs.push(await runStops(bench, stand, { name, intervalMs, scale }));
        longestMs = Math.max(longestMs, performance.now() - startMs);
      }
    }
    return outcomeOf(bench, runs);
  },
};

function outcomeOf({ wanted }: Bench, runs: StopsRun[]): Outcome {
  const figures = [...INTERVALS_MS.map((it) => lateFigure(it, runs)), ...exactFigures(runs)];
  return {
    figures: figures.filter(({ target }) => wanted.has(target)),
    plots: [histogramOf(runs)],
    tables: [tableOf(runs)],
    words: WORDS,
  };
}

/** All stops at this interval of that size. */
function lateOf(runs: readonly StopsRun[], intervalMs: number, size?: number): number[] {
  return runs
    .filter((run) => run.intervalMs === intervalMs)
    .flatMap(({ lateMs }) =>
      [...lateMs].flatMap(([of, values]) => (size === undefined || of === size ? values : [])),
    );
}

/** Its noise is told by size of budget: whether it is flat from one session to two hundred. */
function lateFigure(intervalMs: number, runs: StopsRun[]): Figure {
  const name = `ticks every ${seconds(intervalMs)}`;
  const named = { target: 'P4', name, limit: LATE_LIMIT_MS } as const;
  const all = spreadOf(lateOf(runs, intervalMs));
  if (all === null) return notMeasured(named, 'ms', 'there was no time for it');
  const bySize = SIZES.flatMap((size) => spreadOf(lateOf(runs, intervalMs, size))?.p99Ms ?? []);
  const delay = Math.max(...runs.map(({ loopDelayMs }) => loopDelayMs));
  return {
    ...{ ...named, unit: 'ms', atLeast: false, value: all.p99Ms, rounds: bySize },
    note: `p50 ${all.p50Ms.toFixed(1)} ms of ${all.count} stops; spread by sessions on the budget; the load's own delay p99 ${delay.toFixed(1)} ms`,
  };
}

function exactFigures(runs: StopsRun[]): Figure[] {
  const shared = { target: 'P7', unit: 'ms', atLeast: false } as const;
  const worst = (read: (run: StopsRun) => number) => Math.max(...runs.map(read));
  const findings = runs.flatMap((run) => run.audit.findings);
  const sessions = runs.reduce((sum, run) => sum + run.audit.totals.sessions, 0);
  return [
    {
      ...{ ...shared, name: 'ledger + overshoot − acknowledged, worst session', limit: 0 },
      value: worst((run) => run.audit.totals.worstDifferenceMs),
      rounds: runs.map((run) => run.audit.totals.worstDifferenceMs),
      note: `${sessions} sessions`,
    },
    {
      ...{ ...shared, name: "recorder's own stopwatch, worst connection" },
      limit: STOPWATCH_LIMIT_MS,
      value: worst((run) => run.audit.totals.worstStopwatchMs),
      rounds: runs.map((run) => run.audit.totals.worstStopwatchMs),
      note: '',
    },
    {
      ...{ ...shared, unit: 'count', name: 'findings of the audit', limit: 0 },
      value: findings.length,
      rounds: runs.map((run) => run.audit.findings.length),
      note: findings[0] ? `${findings[0].kind}: ${findings[0].detail}` : '',
    },
  ];
}

function histogramOf(runs: StopsRun[]): Histogram {
  return {
    kind: 'histogram',
    title: 'Stops: how late at the client',
    limitMs: LATE_LIMIT_MS,
    groups: INTERVALS_MS.map((intervalMs) => ({
      name: `ticks every ${seconds(intervalMs)}`,
      valuesMs: lateOf(runs, intervalMs),
    })),
  };
}

function tableOf(runs: StopsRun[]): Table {
  const rows = INTERVALS_MS.flatMap((intervalMs) =>
    SIZES.flatMap((size) => {
      const spread = spreadOf(lateOf(runs, intervalMs, size));
      if (spread === null) return [];
      const { count, minimumMs, p50Ms, p99Ms, maximumMs } = spread;
      const figures = [minimumMs, p50Ms, p99Ms, maximumMs].map((ms) => ms.toFixed(1));
      return [[seconds(intervalMs), String(size), String(count), ...figures]];
    }),
  );
  const head = ['ticks every', 'sessions on it', 'stops', 'min', 'p50', 'p99', 'max'];
  return { title: 'Stops in ms after the true limit', head, rows };
}

const WORDS = `Recorders on the product's own client, on two gateways, on budgets of 1 to 200 sessions
that all run out. The true limit is computed from the recorders' own clocks alone. Then the audit of
the load test: recorder, meter and ledger, every session.`;
