import { describe, expect, it } from 'vitest';
import { parseCpuTime, readUsage } from './process-usage.ts';

describe('the usage of processes', () => {
  it('grows with what this process computes', () => {
    const read = () => readUsage(new Map([['me', process.pid]])).get('me')!;
    const before = read();
    const until = process.cpuUsage().user + 300_000;
    for (let i = 0; process.cpuUsage().user < until; i++) Math.sqrt(i);
    expect(read().cpuMs - before.cpuMs).toBeGreaterThanOrEqual(200);
    expect(read().memoryBytes).toBeGreaterThan(10e6);
  });

  it('leaves out a process that is not there', () => {
    expect(readUsage(new Map([['nobody', 2 ** 22 + 1]])).size).toBe(0);
  });

  it('reads the times of ps', () => {
    expect(parseCpuTime('0:01.25')).toBeCloseTo(1_250);
    expect(parseCpuTime('1-02:03:04')).toBe((26 * 3_600 + 184) * 1_000);
  });
});
