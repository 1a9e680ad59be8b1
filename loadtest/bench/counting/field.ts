/** Who takes part: this product, and the peers that the wanted targets compare it with. */
import type { Bench } from '../bench.ts';
import type { Crowd } from '../crowd/crowd.ts';
import { makeOrganizations, namesOf } from '../stand/load.ts';
import type { PeerName } from '../stand/server.ts';
import type { Stand } from '../stand/stand.ts';
import { uwsReason } from '../stand/uws.ts';
import type { TargetId } from '../targets.ts';
import { type Contestant, connectCrowd, rest } from './contestant.ts';

const SESSIONS_AN_ORGANIZATION = 20;
/** What 25,000 sessions make at the default of 5 s. */
const BEATS_PER_SECOND = 5_000;
/** The shortest interval a gateway takes: as near to a closed load as its protocol comes. */
export const FASTEST_INTERVAL_MS = 100;

export const PRODUCT = 'gateway';
export const PRODUCT_UWS = 'gateway-uws';
export const PRODUCT_FULL = 'gateway-full';
export const ECHO = 'ws-echo';
export const INCRBY = 'ws-incrby';
export const SOCKETIO = 'socketio-incrby';
export const UPDATE = 'ws-update';

/** Which targets each of them is needed for. */
const PEERS: {
  name: PeerName;
  dialect: 'plain' | 'socketio';
  stores: string[];
  for: TargetId[];
}[] = [
  { name: ECHO, dialect: 'plain', stores: [], for: ['P1', 'P1u', 'P9'] },
  { name: INCRBY, dialect: 'plain', stores: ['redis'], for: ['P3'] },
  { name: SOCKETIO, dialect: 'socketio', stores: ['redis'], for: ['P3'] },
  { name: UPDATE, dialect: 'plain', stores: ['postgres'], for: ['P3'] },
];

/** At which so many sessions make the load. */
export const intervalOf = (sessions: number): number => (sessions * 1_000) / BEATS_PER_SECOND;

/** The product, alone and with a few sessions: what its ticks are like, and how fast it is idle. */
export async function openProduct(
  stand: Stand,
  name: string,
  intervalMs: number,
  env = {},
): Promise<Contestant> {
  const worker = await stand.worker('rest');
  worker.wake();
  const server = await stand.gateway(name, {
    env: { TICK_INTERVAL_MS: String(intervalMs), ...env },
  });
  const counted = [name, 'worker', 'redis', 'postgres'];
  return { server, followers: [worker], dialect: 'taximeter', counted };
}

const TELL_EVERY_MS = 5_000;
/** Who has not joined by then does not: a beat costs as much where they are a few less. */
const LEAST_PATIENCE_MS = 5_000;
const JOINING_SHARE = 0.3;

export async function joinProduct(
  bench: Bench,
  crowd: Crowd,
  product: Contestant,
  sessions: number,
  overMs: number,
): Promise<void> {
  const { name, port } = product.server;
  const names = namesOf(name, sessions, SESSIONS_AN_ORGANIZATION);
  await makeOrganizations(port, name, names);
  const patienceMs = Math.max(overMs + LEAST_PATIENCE_MS, bench.msLeft() * JOINING_SHARE);
  const joining = connectCrowd(crowd, product, { sessions: names, overMs, patienceMs });
  const timer = setInterval(async () => {
    const { live } = await crowd.count(name);
    bench.say(`${name}: ${live} of ${sessions} sessions have joined`);
  }, TELL_EVERY_MS);
  await joining.finally(() => clearInterval(timer));
}

export async function openPeers(
  bench: Bench,
  stand: Stand,
  crowd: Crowd,
  { tick, sessions }: { tick: string; sessions: number },
): Promise<Contestant[]> {
  const opened: Contestant[] = [];
  for (const { name, dialect, stores, for: targets } of PEERS) {
    if (!targets.some((it) => bench.wanted.has(it))) continue;
    bench.check();
    const server = await stand.peer(name, tick);
    const peer: Contestant = { server, followers: [], dialect, counted: [name, ...stores] };
    await connectCrowd(crowd, peer, {
      sessions: namesOf(name, sessions, SESSIONS_AN_ORGANIZATION),
    });
    await rest(crowd, peer);
    opened.push(peer);
  }
  return opened;
}

/** @returns why it is not there, in words, or the product on that transport */
export async function openUws(
  bench: Bench,
  stand: Stand,
  intervalMs: number,
): Promise<Contestant | string> {
  const reason = uwsReason();
  if (reason !== null) return reason;
  try {
    return await openProduct(stand, PRODUCT_UWS, intervalMs, { TRANSPORT: 'uws' });
  } catch (error) {
    const [sentence] = String(error instanceof Error ? error.message : error).split('\n');
    bench.say(`without uWebSockets.js: ${sentence}`);
    return sentence!;
  }
}
