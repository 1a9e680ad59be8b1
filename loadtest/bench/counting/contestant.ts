/** A server that counts beats, with the connections that load it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Crowd } from '../crowd/crowd.ts';
import type { Drive } from '../crowd/crowd-words.ts';
import type { DialectName, SessionName } from '../crowd/dialect.ts';
import { API_KEY } from '../stand/load.ts';
import type { Server } from '../stand/server.ts';
import { openWindow, type Window } from '../stand/window.ts';

export interface Contestant {
  server: Server;
  /** processes that work for it and rest with it: the product's worker */
  followers: Server[];
  dialect: DialectName;
  /** whose CPU counts as its own, by their names among the measured */
  counted: string[];
}

/** One round of one server. */
export interface Round {
  beats: number;
  beatsPerSecond: number;
  /** CPU a beat by process, in µs */
  cpuUs: Record<string, number>;
  /** of a core, in percent, by process */
  busyPercent: Record<string, number>;
  /** of the machine, in percent, what was not ours */
  othersPercent: number | null;
  bytesPerTick: number;
}

/** Pausing is a beat and a tick for every session; they are over by then. */
const PAUSING_MS = 400;

export function connectCrowd(
  crowd: Crowd,
  { server, dialect }: Contestant,
  joining: { sessions: SessionName[]; overMs?: number; patienceMs?: number },
): Promise<void> {
  const { name: target, port } = server;
  const asFastAsTheyCan = { overMs: 0, patienceMs: null };
  return crowd.open({ target, dialect, port, apiKey: API_KEY, ...asFastAsTheyCan, ...joining });
}

/** It takes no CPU, and its sessions are not metered, until it is woken. */
export async function rest(crowd: Crowd, contestant: Contestant): Promise<void> {
  const { server, followers, dialect } = contestant;
  const target = server.name;
  if (dialect === 'taximeter') {
    await crowd.state({ target, isPaused: true });
    await sleep(PAUSING_MS);
  } else await crowd.drive({ target, drive: { kind: 'rest' } });
  for (const it of [server, ...followers]) it.halt();
}

async function wake(crowd: Crowd, contestant: Contestant, drive: Drive): Promise<void> {
  const { server, followers, dialect } = contestant;
  const target = server.name;
  for (const it of [server, ...followers]) it.wake();
  if (dialect === 'taximeter') await crowd.state({ target, isPaused: false });
  else await crowd.drive({ target, drive });
}

export interface RoundOptions {
  crowd: Crowd;
  pids: ReadonlyMap<string, number>;
  drive: Drive;
  warmMs: number;
  measureMs: number;
}

/**
 * Wakes it, loads it, measures once it runs evenly, and lets it rest again.
 * @param meanwhile after the measured span, while the load still goes on
 */
export async function measureRound(
  contestant: Contestant,
  { crowd, pids, ...options }: RoundOptions,
  meanwhile?: (target: string) => Promise<void>,
): Promise<Round> {
  const { name } = contestant.server;
  await wake(crowd, contestant, options.drive);
  await sleep(options.warmMs);
  const before = await crowd.count(name);
  const window = openWindow(pids);
  await sleep(options.measureMs);
  const after = await crowd.count(name);
  const measured = window.close();
  if (after.lost > 0) throw new Error(`${name} lost ${after.lost} connections: ${after.whyLost}`);
  await meanwhile?.(name);
  await rest(crowd, contestant);
  return roundOf(after.beats - before.beats, after.bytesHeard - before.bytesHeard, measured);
}

export function roundOf(beats: number, bytes: number, window: Window): Round {
  const { lengthMs, cpuMs, othersPercent } = window;
  const each = (of: (cpu: number) => number) =>
    Object.fromEntries(Object.entries(cpuMs).map(([name, cpu]) => [name, of(cpu)]));
  return {
    ...{ beats, othersPercent, bytesPerTick: bytes / beats },
    beatsPerSecond: (beats * 1_000) / lengthMs,
    cpuUs: each((cpu) => (cpu * 1_000) / beats),
    busyPercent: each((cpu) => (cpu * 100) / lengthMs),
  };
}
