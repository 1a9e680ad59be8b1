/** P1, P1u, P2 and P3 from the rounds, and the table of who took how much CPU for a beat. */
import { median } from '../median.ts';
import { type DotPlot, type Figure, notMeasured, ratioFigure, type Table } from '../outcome.ts';
import type { TargetId } from '../targets.ts';
import type { Contestant, Round } from './contestant.ts';
import { ECHO, INCRBY, PRODUCT, PRODUCT_FULL, PRODUCT_UWS, SOCKETIO, UPDATE } from './field.ts';
import type { Rounds } from './rounds.ts';

const P1_LIMIT = 1.6;
const P1U_LIMIT = 0.9;
const P2_LIMIT = 0.6;
const P3_LIMITS: readonly [string, number][] = [
  [INCRBY, 0.6],
  [SOCKETIO, 0.4],
  [UPDATE, 0.25],
];
/** Below that a server was not at its limit, and a closed load is not what it is meant to be. */
const FULL_PERCENT = 80;
const NOISY_PERCENT = 5;

const cpuOf = (rounds: Rounds, server: string, process = server) =>
  (rounds.get(server) ?? []).map((round) => round.cpuUs[process] ?? 0);

function cpuOfAll(rounds: Rounds, contestant: Contestant): number[] {
  const { server, counted } = contestant;
  const sum = (round: Round) => counted.reduce((all, name) => all + (round.cpuUs[name] ?? 0), 0);
  return (rounds.get(server.name) ?? []).map(sum);
}

/** What else the machine was busy with: above some percent, figures are of a noisy machine. */
function noiseOf(rounds: Rounds): string {
  const others = [...rounds.values()].flat().map(({ othersPercent }) => othersPercent ?? 0);
  const percent = others.length === 0 ? 0 : median(others);
  return percent < NOISY_PERCENT
    ? ''
    : `not a quiet machine: others took ${percent.toFixed(0)} % of it meanwhile`;
}

export function gatewayFigures(open: Rounds, closed: Rounds, noUws: string | null): Figure[] {
  const echo = cpuOf(open, ECHO);
  const busy = (closed.get(PRODUCT_FULL) ?? []).map((it) => it.busyPercent[PRODUCT_FULL] ?? 0);
  const isFull = busy.length === 0 || median(busy) >= FULL_PERCENT;
  // Then it is no closed load, and says nothing of one.
  const limit = isFull ? P1_LIMIT : null;
  const note = isFull ? '' : `only ${median(busy).toFixed(0)} % of its core was asked of it`;
  const full = cpuOf(closed, PRODUCT_FULL);
  const figures = [
    ratioFigure(
      { target: 'P1', name: 'open load', limit: P1_LIMIT, note: noiseOf(open) },
      cpuOf(open, PRODUCT),
      echo,
    ),
    ratioFigure({ target: 'P1', name: 'closed load', limit, note }, full, cpuOf(closed, ECHO)),
  ];
  const uws = { target: 'P1u', name: 'open load', limit: P1U_LIMIT } as const;
  if (noUws !== null) return [...figures, notMeasured(uws, '×', noUws)];
  return [...figures, ratioFigure(uws, cpuOf(open, PRODUCT_UWS), echo)];
}

export function redisFigure(open: Rounds): Figure {
  const named = { target: 'P2', name: 'open load', limit: P2_LIMIT } as const;
  return ratioFigure(named, cpuOf(open, PRODUCT, 'redis'), cpuOf(open, 'incr', 'redis'));
}

export function processFigures(open: Rounds, contestants: Contestant[]): Figure[] {
  const find = (name: string) => contestants.find(({ server }) => server.name === name);
  const all = (name: string) => {
    const found = find(name);
    return found ? cpuOfAll(open, found) : [];
  };
  return P3_LIMITS.map(([peer, limit]) =>
    ratioFigure({ target: 'P3', name: `÷ ${peer}`, limit }, all(PRODUCT), all(peer)),
  );
}

export function cpuPlot(title: string, rounds: Rounds): DotPlot {
  return {
    ...{ kind: 'dots', title, unit: 'µs a beat' },
    rows: [...rounds.keys()]
      .filter((name) => name !== 'incr')
      .map((name) => ({ name, values: cpuOf(rounds, name) })),
  };
}

const PROCESSES = ['redis', 'postgres', 'worker'];

export function cpuTable(title: string, rounds: Rounds): Table {
  const rows = [...rounds].flatMap(([name, of]) => {
    if (of.length === 0) return [];
    const middle = (read: (round: Round) => number | undefined) =>
      median(of.map((round) => read(round) ?? 0));
    const others = of.map(({ othersPercent }) => othersPercent ?? Number.NaN);
    return [
      [
        name,
        middle((it) => it.beatsPerSecond).toFixed(0),
        middle((it) => it.cpuUs[name]).toFixed(1),
        ...PROCESSES.map((it) => middle((round) => round.cpuUs[it]).toFixed(1)),
        `${middle((it) => it.busyPercent[name]).toFixed(0)} %`,
        `${middle((it) => it.busyPercent.crowd).toFixed(0)} %`,
        `${median(others).toFixed(0)} %`,
      ],
    ];
  });
  const head = ['server', 'beats/s', 'itself', ...PROCESSES, 'busy', 'load busy', 'others'];
  return { title, head, rows };
}

export const wants = (wanted: ReadonlySet<TargetId>, ...targets: TargetId[]): boolean =>
  targets.some((it) => wanted.has(it));
