/** Looks at the run at a fixed pace: sessions, beats, and what every process costs. */
import type { FleetCount } from './fleet.ts';
import { machineNowMs } from './machine-clock.ts';
import { readMachineCpuMs, readUsage, type Usage } from './process-usage.ts';
import { mean } from './statistics.ts';

export interface ProcessSample {
  /** of one core, in percent, since the sample before */
  cpuPercent: number;
  memoryBytes: number;
}

export interface Sample {
  /** since the start of the run */
  atMs: number;
  live: number;
  away: number;
  over: number;
  /** since the sample before */
  beatsPerSecond: number;
  processes: Record<string, ProcessSample>;
  /** of one core, in percent: all else on this machine. It takes from what is measured */
  othersCpuPercent: number;
}

export interface ProcessTotal {
  name: string;
  cpuMs: number;
  /** over the whole run */
  cpuPercent: number;
  highestCpuPercent: number;
  highestMemoryBytes: number;
}

export interface Measured {
  samples: Sample[];
  processes: ProcessTotal[];
  othersCpuPercent: number;
  beats: number;
  lengthMs: number;
}

export const SAMPLE_EVERY_MS = 1_000;

export interface SamplerOptions {
  runStartMs: number;
  /** by name; those of `npm run loadtest` itself too */
  pids: ReadonlyMap<string, number>;
  count(): FleetCount;
  sampled(sample: Sample, count: FleetCount): void;
}

export interface Sampler {
  /** Takes the last sample; again is the same. */
  stop(): Measured;
}

export function startSampler(options: SamplerOptions): Sampler {
  const { runStartMs, pids, count } = options;
  const samples: Sample[] = [];
  const first = { atMs: machineNowMs(), usage: readUsage(pids), machineMs: readMachineCpuMs() };
  let last = { ...first, beats: 0 };
  /** the last of each, those that have ended since too */
  let known = first.usage;

  function look(): void {
    const atMs = machineNowMs();
    const usage = readUsage(pids);
    const machineMs = readMachineCpuMs();
    const counted = count();
    const passedMs = Math.max(1, atMs - last.atMs);
    const processes = sampleOf(usage, last.usage, passedMs);
    const sample: Sample = {
      ...{ atMs: atMs - runStartMs, live: counted.live, away: counted.away, over: counted.over },
      beatsPerSecond: ((counted.beats - last.beats) * 1_000) / passedMs,
      processes,
      othersCpuPercent: othersOf(processes, ((machineMs - last.machineMs) * 100) / passedMs),
    };
    samples.push(sample);
    known = new Map([...known, ...usage]);
    last = { atMs, usage, machineMs, beats: counted.beats };
    options.sampled(sample, counted);
  }

  const timer = setInterval(look, SAMPLE_EVERY_MS);
  let isStopped = false;
  return {
    stop() {
      clearInterval(timer);
      if (!isStopped) look();
      isStopped = true;
      const lengthMs = last.atMs - first.atMs;
      const processes = [...known].map(([name, { cpuMs }]) => {
        const tookMs = cpuMs - (first.usage.get(name)?.cpuMs ?? 0);
        const own = samples.flatMap((it) => it.processes[name] ?? []);
        return {
          ...{ name, cpuMs: tookMs, cpuPercent: (tookMs * 100) / lengthMs },
          highestCpuPercent: Math.max(0, ...own.map((it) => it.cpuPercent)),
          highestMemoryBytes: Math.max(0, ...own.map((it) => it.memoryBytes)),
        };
      });
      const others = mean(samples.map((it) => it.othersCpuPercent));
      return { samples, processes, othersCpuPercent: others, beats: last.beats, lengthMs };
    },
  };
}

/** Counted in ticks on both sides, so that nothing may come out as a little less than nothing. */
function othersOf(processes: Record<string, ProcessSample>, machinePercent: number): number {
  const own = Object.values(processes).reduce((sum, it) => sum + it.cpuPercent, 0);
  return Math.max(0, machinePercent - own);
}

function sampleOf(
  now: ReadonlyMap<string, Usage>,
  before: ReadonlyMap<string, Usage>,
  passedMs: number,
): Record<string, ProcessSample> {
  const entries = [...now].map(([name, { cpuMs, memoryBytes }]) => {
    const tookMs = cpuMs - (before.get(name)?.cpuMs ?? cpuMs);
    return [name, { cpuPercent: (tookMs * 100) / passedMs, memoryBytes }] as const;
  });
  return Object.fromEntries(entries);
}
