/** P8: whether a beat costs the same however many sessions a gateway holds. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Experiment } from '../bench.ts';
import { type Round, roundOf } from '../counting/contestant.ts';
import { cpuTable } from '../counting/figures.ts';
import type { Crowd } from '../crowd/crowd.ts';
import { type Figure, type Outcome, ratioFigure } from '../outcome.ts';
import { API_KEY, makeOrganizations, namesOf } from '../stand/load.ts';
import { openStand, type Stand } from '../stand/stand.ts';
import { openWindow } from '../stand/window.ts';

const FEW = 2_000;
const MOST = 19_000;
const QUICK_MOST = 4_000;
/** Fewer would say nothing of many. */
const LEAST = 3_000;
/** A process needs some for itself. */
const SPARE_DESCRIPTORS = 400;
/** The default; the few are asked as much more often as they are fewer, so that beats are as many. */
const MANY_INTERVAL_MS = 5_000;
const SESSIONS_AN_ORGANIZATION = 20;
const LIMIT = 1.1;
const MEASURE_MS = 5_000;
const QUICK_ROUNDS = 2;
const FULL_ROUNDS = 8;
/** The few need this long to join, and the rounds their time. */
const RESERVED_MS = { quick: 28_000, full: 75_000 };
const TELL_EVERY_MS = 5_000;

export const many: Experiment = {
  name: 'many',
  targets: ['P8'],
  seconds: { quick: 52, full: 200 },
  async run(bench) {
    return compare(bench, await openStand(bench, 'many'));
  },
};

/** Sockets that one process may hold; where the system does not say, a cautious figure. */
function descriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return QUICK_MOST;
  }
}

async function compare(bench: Bench, stand: Stand): Promise<Outcome> {
  await stand.worker('rest');
  const most = bench.isQuick ? QUICK_MOST : MOST;
  const asked = Math.min(most, descriptors() - SPARE_DESCRIPTORS);
  const patienceMs = bench.msLeft() - (bench.isQuick ? RESERVED_MS.quick : RESERVED_MS.full);
  const manyCrowd = await stand.crowd('crowd');
  const sessions = await join(bench, stand, manyCrowd, 'many', {
    ...{ intervalMs: MANY_INTERVAL_MS, sessions: asked, patienceMs },
  });
  if (sessions < LEAST) {
    throw new Error(`Only ${sessions} of ${asked} sessions joined in time: too few to compare.`);
  }
  const fewCrowd = await stand.crowd('crowd-few');
  const intervalMs = Math.round((MANY_INTERVAL_MS * FEW) / sessions);
  await join(bench, stand, fewCrowd, 'few', { intervalMs, sessions: FEW, patienceMs: null });
  bench.say(
    `many: ${sessions} sessions every ${MANY_INTERVAL_MS} ms, ${FEW} every ${intervalMs} ms`,
  );
  await sleep(MANY_INTERVAL_MS);

  const crowds = new Map([
    ['many', manyCrowd],
    ['few', fewCrowd],
  ]);
  const found = new Map<string, Round[]>([...crowds.keys()].map((name) => [name, []]));
  const rounds = bench.isQuick ? QUICK_ROUNDS : FULL_ROUNDS;
  for (let round = 1; round <= rounds; round += 1) {
    bench.check();
    if (round > 1 && bench.msLeft() < 2 * MEASURE_MS) break;
    bench.say(`many, round ${round} of ${rounds}`);
    for (const [name, one] of await measure(crowds, stand)) found.get(name)!.push(one);
  }
  return outcomeOf(found, sessions, asked);
}

interface Joining {
  intervalMs: number;
  sessions: number;
  patienceMs: number | null;
}

/** @returns how many joined in time */
async function join(
  bench: Bench,
  stand: Stand,
  crowd: Crowd,
  name: string,
  { intervalMs, sessions, patienceMs }: Joining,
): Promise<number> {
  const { port } = await stand.gateway(name, { env: { TICK_INTERVAL_MS: String(intervalMs) } });
  const names = namesOf(name, sessions, SESSIONS_AN_ORGANIZATION);
  await makeOrganizations(port, name, names);
  const timer = setInterval(async () => {
    bench.say(`${name}: ${(await crowd.count(name)).live} of ${sessions} sessions have joined`);
  }, TELL_EVERY_MS);
  const how = { dialect: 'taximeter', port, apiKey: API_KEY, overMs: 0 } as const;
  await crowd
    .open({ target: name, sessions: names, patienceMs, ...how })
    .finally(() => clearInterval(timer));
  return (await crowd.count(name)).live;
}

/** Both at the same time, on the same core: what disturbs one disturbs the other. */
async function measure(
  crowds: ReadonlyMap<string, Crowd>,
  { pids }: Stand,
): Promise<Map<string, Round>> {
  const counts = async () =>
    new Map(
      await Promise.all(
        [...crowds].map(async ([name, crowd]) => [name, await crowd.count(name)] as const),
      ),
    );
  const before = await counts();
  const window = openWindow(pids);
  await sleep(MEASURE_MS);
  const after = await counts();
  const measured = window.close();
  return new Map(
    [...after].map(([name, count]) => {
      if (count.lost > 0)
        throw new Error(`${name} lost ${count.lost} connections: ${count.whyLost}`);
      const known = before.get(name)!;
      const bytes = count.bytesHeard - known.bytesHeard;
      return [name, roundOf(count.beats - known.beats, bytes, measured)];
    }),
  );
}

function outcomeOf(found: Map<string, Round[]>, sessions: number, asked: number): Outcome {
  const cpu = (name: string) => (found.get(name) ?? []).map((it) => it.cpuUs[name] ?? 0);
  const count = sessions.toLocaleString('en-US');
  const note = sessions < asked ? `no time for ${asked.toLocaleString('en-US')} to join` : '';
  const named = { target: 'P8', name: `${count} sessions`, limit: LIMIT, note } as const;
  const figure: Figure = ratioFigure(named, cpu('many'), cpu('few'));
  const rows = [
    { name: count, values: cpu('many') },
    { name: FEW.toLocaleString('en-US'), values: cpu('few') },
  ];
  return {
    figures: [figure],
    plots: [{ kind: 'dots', title: 'CPU of the gateway', unit: 'µs a beat', rows }],
    tables: [cpuTable('CPU a beat in µs (stores: of both together)', found)],
    words: WORDS,
  };
}

const WORDS = `Two gateways at once on one core, with as many beats a second: the many are asked every 5 s,
the 2,000 as much more often as they are fewer.`;
