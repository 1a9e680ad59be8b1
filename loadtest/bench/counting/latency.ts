/**
 * P9. A change of state is answered by a tick once the meter has counted it; an echo is answered at
 * once. What lies between the two, under the same load, is what metering adds.
 */
import { BATCH_WINDOW_MS } from '../../../core/meter/batch.ts';
import { quantile } from '../../statistics.ts';
import type { Crowd } from '../crowd/crowd.ts';
import { median } from '../median.ts';
import { type Figure, type Histogram, notMeasured } from '../outcome.ts';

const LOADED_LIMIT_MS = BATCH_WINDOW_MS + 2;
const IDLE_LIMIT_MS = 1;

const CONNECTIONS = 10;
/** Below ten a second, which a gateway allows beside the beats. */
const EVERY_MS = 200;

/** By server; one list a round. */
export type Latencies = Map<string, number[][]>;

export async function probe(
  crowd: Crowd,
  target: string,
  forMs: number,
  into: Latencies,
): Promise<void> {
  const round = await crowd.probe({ target, connections: CONNECTIONS, everyMs: EVERY_MS, forMs });
  const known = into.get(target);
  if (known) known.push(round);
  else into.set(target, [round]);
}

export function latencyFigures(
  idle: Latencies,
  loaded: Latencies,
  [product, echo]: [string, string],
): Figure[] {
  return [
    addedFigure('idle', IDLE_LIMIT_MS, idle, product, echo),
    addedFigure(
      `loaded, a batch window of ${BATCH_WINDOW_MS} ms`,
      LOADED_LIMIT_MS,
      loaded,
      product,
      echo,
    ),
  ];
}

function addedFigure(
  name: string,
  limit: number,
  latencies: Latencies,
  product: string,
  echo: string,
): Figure {
  const over = (latencies.get(product) ?? []).filter((round) => round.length > 0);
  const under = (latencies.get(echo) ?? []).filter((round) => round.length > 0);
  if (over.length === 0 || under.length === 0) {
    return notMeasured({ target: 'P9', name, limit }, 'ms', 'there was no time for it');
  }
  const rounds = over
    .slice(0, under.length)
    .map((round, i) => median(round) - median(under[i] ?? []));
  const [a, b] = [median(over.flat()), median(under.flat())];
  return {
    ...{ target: 'P9', name, unit: 'ms', limit, atLeast: false, rounds },
    value: a - b,
    note: `${a.toFixed(2)} against ${b.toFixed(2)} ms; p99 ${p99(over)} against ${p99(under)} ms`,
  };
}

function p99(rounds: number[][]): string {
  return quantile(
    rounds.flat().sort((a, b) => a - b),
    0.99,
  ).toFixed(1);
}

export function latencyPlot(loaded: Latencies): Histogram {
  return {
    kind: 'histogram',
    title: 'From a beat to its answer, loaded',
    groups: [...loaded].map(([name, rounds]) => ({ name, valuesMs: rounds.flat() })),
    limitMs: null,
  };
}
