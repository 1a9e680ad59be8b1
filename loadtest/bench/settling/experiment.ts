/** P6: settling finished minutes, next to a job for each of them. */
import postgres from 'postgres';
import type { Bench, Experiment } from '../bench.ts';
import { median } from '../median.ts';
import { type Figure, type Outcome, ratioFigure } from '../outcome.ts';
import { openStand, type Stand } from '../stand/stand.ts';
import { openJobs } from './jobs.ts';
import { openProductSettling } from './product.ts';
import type { Settled, Settling } from './settled.ts';
import { learnTables } from './work.ts';

const RATE_LIMIT = 8;
const CPU_LIMIT = 0.12;
const QUICK_ROUNDS = 2;
const FULL_ROUNDS = 5;
/** A meter second passes in a millisecond, so that minutes finish in numbers. */
const SPEED = 1_000;

export const settling: Experiment = {
  name: 'settling',
  targets: ['P6'],
  seconds: { quick: 60, full: 120 },
  async run(bench) {
    return compare(bench, await openStand(bench, 'settling', SPEED));
  },
};

async function compare(bench: Bench, stand: Stand): Promise<Outcome> {
  bench.say('settling: sessions join, on a fast clock');
  const product = await openProductSettling(bench, stand);
  const jobs = await openJobs(bench, stand);
  const found = new Map<Settling, Settled[]>([
    [product, []],
    [jobs, []],
  ]);
  const admin = postgres(stand.stores.adminUrl, { max: 1, onnotice: () => {} });
  bench.onEnd(() => admin.end());
  const rounds = bench.isQuick ? QUICK_ROUNDS : FULL_ROUNDS;
  let longestMs = 0;
  // The first is to warm up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const [settling, settled] of found) {
      bench.check();
      if (round > 1 && bench.msLeft() < longestMs) continue;
      const startMs = performance.now();
      const which = round === 0 ? 'warming up' : `round ${round} of ${rounds}`;
      bench.say(`settling, ${which}: ${settling.name}`);
      const one = await settling.round();
      if (round > 0) settled.push(one);
      longestMs = Math.max(longestMs, performance.now() - startMs);
    }
    if (round === 0) await learnTables(admin);
  }
  for (const settling of found.keys()) await settling.audit();
  return outcomeOf(found.get(product)!, found.get(jobs)!);
}

function outcomeOf(product: Settled[], jobs: Settled[]): Outcome {
  const rate = (of: Settled[]) => of.map(({ minutes, tookMs }) => (minutes * 1_000) / tookMs);
  const cpu = (of: Settled[]) => of.map(({ minutes, cpuMs }) => (sumOf(cpuMs) * 1_000) / minutes);
  const words = (of: Settled[]) =>
    `${median(rate(of)).toFixed(0)} minutes/s, ${median(cpu(of)).toFixed(0)} µs each`;
  const note = `${words(product)}, against ${words(jobs)}`;
  const figures: Figure[] = [
    ratioFigure(
      { target: 'P6', name: 'minutes settled a second', limit: RATE_LIMIT, atLeast: true, note },
      rate(product),
      rate(jobs),
    ),
    ratioFigure(
      { target: 'P6', name: 'CPU of all processes a minute', limit: CPU_LIMIT },
      cpu(product),
      cpu(jobs),
    ),
  ];
  const rows = [
    { name: 'this product', of: product },
    { name: 'job a minute', of: jobs },
  ];
  return {
    figures,
    plots: [
      {
        ...{ kind: 'dots', title: 'Minutes settled a second', unit: 'minutes/s' },
        rows: rows.map(({ name, of }) => ({ name, values: rate(of) })),
      },
      {
        ...{ kind: 'dots', title: 'CPU of all processes a minute', unit: 'µs' },
        rows: rows.map(({ name, of }) => ({ name, values: cpu(of) })),
      },
    ],
    tables: [
      {
        title: 'CPU a settled minute in µs',
        head: ['', 'minutes', 'minutes/s', 'settler', 'redis', 'postgres'],
        rows: rows.map(({ name, of }) => [
          name,
          median(of.map(({ minutes }) => minutes)).toFixed(0),
          median(rate(of)).toFixed(0),
          ...(['settler', 'redis', 'postgres'] as const).map((part) =>
            median(of.map((it) => (it.cpuMs[part] * 1_000) / it.minutes)).toFixed(1),
          ),
        ]),
      },
    ],
    words: WORDS,
  };
}

function sumOf(cpuMs: Settled['cpuMs']): number {
  return cpuMs.settler + cpuMs.redis + cpuMs.postgres;
}

const WORDS = `A backlog of finished minutes of 320 sessions in 16 organizations, made by a gateway on the
test clock while the worker was stopped; then the worker's real settling, until the ledger has all. Against
it BullMQ with a job for each minute, 50 at a time, each a transaction that writes the same. Half of the
organizations have used up their plan and draw on lots of 150.5 minutes, oldest first. On both sides a fifth
of the minutes is named in a second batch, or job, that comes before the others, and a tenth again when all
were named. Statistics of the tables are fresh (ANALYZE after the round that warms up). After the last round
both ledgers were audited: every minute once, lots burnt in their order, sums exact.`;
