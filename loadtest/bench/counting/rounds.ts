/** Rounds, interleaved: each server once, then each again, so that the machine's moods hit all. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import type { Crowd } from '../crowd/crowd.ts';
import type { Drive } from '../crowd/crowd-words.ts';
import type { Peer } from '../stand/server.ts';
import { openWindow } from '../stand/window.ts';
import { type Contestant, measureRound, type Round, roundOf } from './contestant.ts';

export type Rounds = Map<string, Round[]>;

export interface RoundsOptions {
  bench: Bench;
  crowd: Crowd;
  pids: ReadonlyMap<string, number>;
  contestants: Contestant[];
  incr: Peer | null;
  drive: Drive;
  rounds: number;
  warmMs: number;
  measureMs: number;
  words: string;
  meanwhile?(target: string): Promise<void>;
}

/** Fewer than asked for where time is short, but at least one. */
export async function runRounds(options: RoundsOptions): Promise<Rounds> {
  const { bench, contestants, incr, measureMs } = options;
  const found: Rounds = new Map(contestants.map(({ server }) => [server.name, []]));
  if (incr) found.set(incr.name, []);
  let longestMs = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    const startMs = performance.now();
    if (round > 0 && bench.msLeft() < longestMs) {
      bench.say(`${options.words}: no time for more than ${round} rounds`);
      break;
    }
    for (let i = 0; i < contestants.length; i += 1) {
      bench.check();
      // Another one first each time: who follows whom should not matter to the median.
      const contestant = contestants[(i + round) % contestants.length]!;
      const { name } = contestant.server;
      bench.say(`${options.words}, round ${round + 1} of ${options.rounds}: ${name}`);
      found.get(name)!.push(await measureRound(contestant, options, options.meanwhile));
    }
    if (incr) found.get(incr.name)!.push(await measureIncr(incr, options.pids, measureMs));
    longestMs = Math.max(longestMs, performance.now() - startMs);
  }
  return found;
}

const INCR_WARM_MS = 300;

async function measureIncr(
  incr: Peer,
  pids: ReadonlyMap<string, number>,
  measureMs: number,
): Promise<Round> {
  incr.wake();
  await sleep(INCR_WARM_MS);
  const before = await incr.done();
  const window = openWindow(pids);
  await sleep(measureMs);
  const after = await incr.done();
  const measured = window.close();
  incr.halt();
  return roundOf(after - before, 0, measured);
}
