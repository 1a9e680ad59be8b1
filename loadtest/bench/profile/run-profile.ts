/** `--profile`: a gateway under the load of the bench, and where its CPU time and Redis' goes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { anyFreePort } from '../../../local/port.ts';
import type { Bench } from '../bench.ts';
import { intervalOf, joinProduct } from '../counting/field.ts';
import { median } from '../median.ts';
import { type CpuProfile, openInspector } from '../stand/inspector.ts';
import { openStand } from '../stand/stand.ts';
import { openWindow, type Window } from '../stand/window.ts';
import { type PerfShare, perfOf } from './perf.ts';
import { type SelfTime, selfTimeOf } from './self-time.ts';

const SESSIONS = 2_000;
const WARM_MS = 5_000;
const PROFILE_MS = 15_000;
const SAMPLE_EVERY_US = 200;
const NAME = 'gateway';

export interface Profiled {
  profile: CpuProfile;
  selfTime: SelfTime;
  /** of a span without the profiler, which costs something itself */
  cpuUs: Record<string, number>;
  redis: PerfShare[] | string;
  redisCommands: RedisCommand[];
}

export interface RedisCommand {
  name: string;
  calls: number;
  /** by Redis' own account, between parsing and writing the answer */
  usPerCall: number;
}

export async function runProfile(bench: Bench): Promise<Profiled> {
  const stand = await openStand(bench, 'profile');
  const worker = await stand.worker('rest');
  const inspectPort = await anyFreePort();
  const server = await stand.gateway(NAME, {
    env: { TICK_INTERVAL_MS: String(intervalOf(SESSIONS)) },
    nodeArguments: [`--inspect=127.0.0.1:${inspectPort}`],
  });
  const crowd = await stand.crowd('crowd');
  const counted = [NAME, 'worker', 'redis', 'postgres'];
  const product = { server, followers: [worker], dialect: 'taximeter' as const, counted };
  bench.say('profile: sessions join');
  await joinProduct(bench, crowd, product, SESSIONS, 0);
  await sleep(WARM_MS);

  bench.say('profile: what a beat costs, undisturbed');
  const cpuUs = await spanOf(stand.pids, async () => (await crowd.count(NAME)).beats);
  bench.say('profile: the gateway');
  const inspector = await openInspector(inspectPort);
  await inspector.startProfile(SAMPLE_EVERY_US);
  await sleep(PROFILE_MS);
  const profile = await inspector.stopProfile();
  await inspector.stop();
  bench.say('profile: Redis');
  const redisCommands = await commandsOf(stand.stores.redisUrl);
  const redis = await perfOf(stand.stores.pids.redis, PROFILE_MS, bench.dataDir).catch(
    (error: unknown) => `perf could not be used: ${String(error).split('\n')[0]}`,
  );
  return { profile, selfTime: selfTimeOf(profile), cpuUs, redis, redisCommands };
}

const SPANS = 3;
const SPAN_MS = 4_000;

/** CPU a beat by process, the middle of some spans. */
async function spanOf(
  pids: ReadonlyMap<string, number>,
  beatsNow: () => Promise<number>,
): Promise<Record<string, number>> {
  const spans: { window: Window; beats: number }[] = [];
  for (let i = 0; i < SPANS; i += 1) {
    const before = await beatsNow();
    const window = openWindow(pids);
    await sleep(SPAN_MS);
    spans.push({ beats: (await beatsNow()) - before, window: window.close() });
  }
  const names = Object.keys(spans[0]!.window.cpuMs);
  const each = (name: string) =>
    median(spans.map(({ window, beats }) => ((window.cpuMs[name] ?? 0) * 1_000) / beats));
  return Object.fromEntries(names.map((name) => [name, each(name)]));
}

async function commandsOf(redisUrl: string): Promise<RedisCommand[]> {
  const redis = new Redis(redisUrl);
  await redis.config('RESETSTAT');
  await sleep(SPAN_MS);
  const text = await redis.info('commandstats');
  await redis.quit();
  return [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=\d+,usec_per_call=([\d.]+)/gm)]
    .map(([, name, calls, us]) => ({ name: name!, calls: Number(calls), usPerCall: Number(us) }))
    .sort((a, b) => b.calls * b.usPerCall - a.calls * a.usPerCall);
}
