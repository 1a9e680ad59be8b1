/** P1, P1u, P2, P3 and P9: what a beat costs, and how long it takes, next to the peers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Experiment } from '../bench.ts';
import type { Crowd } from '../crowd/crowd.ts';
import type { Figure, Outcome } from '../outcome.ts';
import { openStand, type Stand } from '../stand/stand.ts';
import { type Contestant, rest } from './contestant.ts';
import {
  ECHO,
  FASTEST_INTERVAL_MS,
  intervalOf,
  joinProduct,
  openPeers,
  openProduct,
  openUws,
  PRODUCT,
  PRODUCT_FULL,
} from './field.ts';
import {
  cpuPlot,
  cpuTable,
  gatewayFigures,
  processFigures,
  redisFigure,
  wants,
} from './figures.ts';
import { type Latencies, latencyFigures, latencyPlot, probe } from './latency.ts';
import { type Rounds, runRounds } from './rounds.ts';

interface Pace {
  sessions: number;
  /** Joining takes this long, so that minutes end evenly over time; a whole minute is best. */
  joinMs: number;
  rounds: number;
  closedRounds: number;
  closedSessions: number;
  warmMs: number;
  measureMs: number;
  probeMs: number;
}
const QUICK: Pace = {
  ...{ sessions: 1_000, joinMs: 15_000, rounds: 2, closedRounds: 1, closedSessions: 500 },
  ...{ warmMs: 2_000, measureMs: 2_500, probeMs: 1_500 },
};
const FULL: Pace = {
  ...{ sessions: 2_000, joinMs: 60_000, rounds: 6, closedRounds: 4, closedSessions: 2_500 },
  ...{ warmMs: 2_500, measureMs: 5_000, probeMs: 3_000 },
};

/** A few sessions that ask nothing of a server: an idle one, and what a tick of it is like. */
const FEW = 10;
const FIRST_TICK_MS = 600;

export const counting: Experiment = {
  name: 'counting',
  targets: ['P1', 'P1u', 'P2', 'P3', 'P9'],
  seconds: { quick: 108, full: 520 },
  async run(bench) {
    return count(bench, await openStand(bench, 'counting'), bench.isQuick ? QUICK : FULL);
  },
};

async function count(bench: Bench, stand: Stand, pace: Pace): Promise<Outcome> {
  const { wanted } = bench;
  const { sessions } = pace;
  const intervalMs = intervalOf(sessions);
  const idle: Latencies = new Map();
  const loaded: Latencies = new Map();
  const crowd = await stand.crowd('crowd');
  bench.say('counting: starting the product and its peers');
  const product = await openProduct(stand, PRODUCT, intervalMs);
  bench.say('counting: an idle gateway');
  const tick = await meetIdle(bench, crowd, product, pace, idle);
  bench.say(`counting: sessions join over ${pace.joinMs / 1_000} s`);
  const joining = joinProduct(bench, crowd, product, pace.sessions, pace.joinMs);
  const [peers] = await Promise.all([openPeers(bench, stand, crowd, { tick, sessions }), joining]);
  await rest(crowd, product);
  const contestants = [product, ...peers];
  let noUws: string | null = null;
  if (wants(wanted, 'P1u')) {
    const uws = await openUws(bench, stand, intervalMs);
    if (typeof uws === 'string') noUws = uws;
    else contestants.push(await joined(bench, crowd, uws, pace));
  }
  const echo = peers.find(({ server }) => server.name === ECHO);
  if (echo && wants(wanted, 'P9')) await probeIdle(crowd, echo, pace, idle);
  const incr = wants(wanted, 'P2') ? await stand.peer('incr', tick) : null;
  incr?.halt();

  const shared = { bench, crowd, pids: stand.pids, ...pace };
  const open = await runRounds({
    ...{ ...shared, contestants, incr, words: 'open load' },
    drive: { kind: 'open', intervalMs },
    async meanwhile(target) {
      if (wants(wanted, 'P9') && [PRODUCT, ECHO].includes(target))
        await probe(crowd, target, pace.probeMs, loaded);
    },
  });
  const closed = wants(wanted, 'P1') && echo ? await runClosed(stand, echo, shared) : new Map();
  return outcomeOf(bench, { open, closed, idle, loaded, contestants, noUws });
}

/** Its first tick, and how fast it answers while it has nothing else to do. */
async function meetIdle(
  bench: Bench,
  crowd: Crowd,
  product: Contestant,
  pace: Pace,
  into: Latencies,
): Promise<string> {
  const few = { ...product, server: { ...product.server, name: 'few' } };
  await joinProduct(bench, crowd, few, FEW, 0);
  await sleep(FIRST_TICK_MS);
  const { sample } = await crowd.count('few');
  if (sample === null) throw new Error('The gateway sent no tick to sessions that it let in.');
  const own: Latencies = new Map();
  await probe(crowd, 'few', 2 * pace.probeMs, own);
  into.set(PRODUCT, own.get('few') ?? []);
  await crowd.close('few');
  return sample;
}

async function probeIdle(crowd: Crowd, echo: Contestant, pace: Pace, into: Latencies) {
  echo.server.wake();
  await probe(crowd, ECHO, 2 * pace.probeMs, into);
  echo.server.halt();
}

async function joined(
  bench: Bench,
  crowd: Crowd,
  product: Contestant,
  pace: Pace,
): Promise<Contestant> {
  await joinProduct(bench, crowd, product, pace.sessions, pace.joinMs / 2);
  await rest(crowd, product);
  return product;
}

/** As fast as they go: peers without pause, a gateway at the shortest interval it takes. */
async function runClosed(
  stand: Stand,
  echo: Contestant,
  shared: { bench: Bench; crowd: Crowd; pids: ReadonlyMap<string, number> } & Pace,
): Promise<Rounds> {
  const { bench, crowd, closedRounds: rounds, closedSessions } = shared;
  bench.say('closed load: sessions join');
  const full = await openProduct(stand, PRODUCT_FULL, FASTEST_INTERVAL_MS);
  await joinProduct(bench, crowd, full, closedSessions, 0);
  await rest(crowd, full);
  return runRounds({
    ...{ ...shared, rounds, contestants: [full, echo], incr: null },
    ...{ drive: { kind: 'closed' }, words: 'closed load' },
  });
}

interface Measured {
  open: Rounds;
  closed: Rounds;
  idle: Latencies;
  loaded: Latencies;
  contestants: Contestant[];
  noUws: string | null;
}

function outcomeOf({ wanted }: Bench, measured: Measured): Outcome {
  const { open, closed, idle, loaded, contestants, noUws } = measured;
  const figures: Figure[] = [
    ...gatewayFigures(open, closed, noUws),
    redisFigure(open),
    ...processFigures(open, contestants),
    ...latencyFigures(idle, loaded, [PRODUCT, ECHO]),
  ];
  return {
    figures: figures.filter(({ target }) => wanted.has(target)),
    plots: [
      cpuPlot('CPU of the server, open load', open),
      ...(closed.size > 0 ? [cpuPlot('CPU of the server, closed load', closed)] : []),
      ...(loaded.size > 0 ? [latencyPlot(loaded)] : []),
    ],
    tables: [
      cpuTable('CPU a beat in µs, open load', open),
      ...(closed.size > 0 ? [cpuTable('CPU a beat in µs, closed load', closed)] : []),
    ],
    words: WORDS,
  };
}

const WORDS = `As many connections to each server, 20 to an organization. Open load: 5,000 beats a second
(what 25,000 sessions make at the default of 5 s), an organization's together; a gateway asks for them with
its ticks, peers are sent them in the same rhythm and answer with as many bytes as a tick has. Closed load:
each again as soon as it is answered; a gateway asks every 100 ms at most. Servers that are not measured are
stopped.`;
