import { describe, expect, it } from 'vitest';
import { fromBench, type Reported } from './from-bench.ts';
import { DEFAULTS, type Parameters, parametersOf } from './parameters.ts';
import { printProjection } from './print.ts';
import { project } from './project.ts';

/** Round numbers, so that a sum can be checked by hand. None of them was measured. */
const ROUND: Parameters = {
  ...DEFAULTS,
  ...{ gatewayUsPerBeat: 20, redisUsPerBeat: 5 },
  ...{ gatewayUsPerJoin: 1_000, redisUsPerJoin: 100, postgresUsPerJoin: 200 },
  ...{ workerUsPerMinute: 30, redisUsPerMinute: 10, postgresUsPerMinute: 60 },
  ...{ gatewayBytesPerSession: 6_000, kernelBytesPerSession: 4_000 },
  ...{ redisBytesPerSession: 1_000, redisBytesPerBudget: 1_000, redisBytesPerOrganization: 2_000 },
  ...{ redisBytesPerUnsettledMinute: 200, postgresBytesPerMinute: 400 },
  ...{ postgresBytesPerSession: 1_000, postgresWalBytesPerMinute: 900 },
  ...{ tickBytes: 500, beatBytes: 30, packetBytes: 50 },
  ...{ toRedisBytesPerBeat: 100, fromRedisBytesPerBeat: 400, descriptorsPerProcess: 40 },
  ...{ sessionMinutes: 60, sessionsPerOrganization: 10, busyHoursPerMonth: 100, monthsKept: 10 },
  ...{ backlogMinutes: 60, usedShareOfCore: 0.5 },
  ...{ pricePerCore: 10, pricePerMemoryGb: 2, pricePerDiskGb: 0.1, pricePerTrafficGb: 0.05 },
};
const LOAD = { sessions: 36_000, intervalMs: 5_000 };

describe('a projection', () => {
  it('is the sum of beats, joins and minutes, each at its cost', () => {
    const it = project(LOAD, ROUND);
    // 7,200 beats, 10 joins and 600 + 10 minutes a second
    expect(it).toMatchObject({ beatsPerSecond: 7_200, joinsPerSecond: 10, minutesPerSecond: 610 });
    expect(it.gatewayCores).toBeCloseTo(0.144 + 0.01, 9);
    expect(it.redisCores).toBeCloseTo(0.036 + 0.001 + 0.0061, 9);
    expect(it.workerCores).toBeCloseTo(0.0183, 9);
    expect(it.postgresCores).toBeCloseTo(0.0366 + 0.002, 9);
    expect(it.missing).toEqual([]);
  });

  it('knows memory, what is kept, and what goes over the wire', () => {
    const it = project(LOAD, ROUND);
    expect(it.gatewayMemoryBytes).toBe(360e6);
    // sessions and members' budgets, 3,600 organizations, an hour of minutes
    expect(it.redisMemoryBytes).toBe(72e6 + 7.2e6 + 610 * 3_600 * 200);
    expect(it.postgresBytes).toBe(610 * 3.6e6 * 400 + 10 * 3.6e6 * 1_000);
    expect(it.walBytesPerSecond).toBe(549_000);
    expect(it.downBytesPerSecond).toBe(7_200 * 600);
    expect(it.upBytesPerSecond).toBe(7_200 * 80);
    expect(it.redisNetBytesPerSecond).toBe(7_200 * 500);
    expect(it.descriptorsPerProcess).toBe(36_040);
  });

  it('takes another process where one would be used beyond its share', () => {
    const of = (sessions: number) => project({ sessions, intervalMs: 1_000 }, ROUND);
    expect(of(1_000).gatewayProcesses).toBe(1);
    // 100,000 beats of 20 µs and 28 joins of 1 ms are 2.03 cores: five that are half used
    expect(of(100_000).gatewayProcesses).toBe(5);
    expect(of(100_000).redisServers).toBe(2);
    expect(of(100_000).descriptorsPerProcess).toBe(20_040);
  });

  it('costs what its parts do, by the prices given, and nothing is said without them', () => {
    const it = project(LOAD, ROUND);
    const cores = (it.gatewayCores! + it.redisCores! + it.workerCores! + it.postgresCores!) / 0.5;
    const memoryGb = (it.gatewayMemoryBytes! + it.redisMemoryBytes!) / 1e9;
    const trafficGb = (7_200 * 600 * 100 * 3_600) / 1e9;
    const sum = 10 * cores + 2 * memoryGb + (0.1 * it.postgresBytes!) / 1e9 + 0.05 * trafficGb;
    expect(it.costPerMonth).toBeCloseTo(sum, 6);
    expect(project(LOAD, { ...ROUND, pricePerDiskGb: null }).costPerMonth).toBeNull();
  });

  it('names what it does not know, and makes nothing up', () => {
    const it = project(LOAD, { ...ROUND, gatewayUsPerJoin: null, redisUsPerBeat: null });
    expect(it.missing).toEqual(['gatewayUsPerJoin', 'redisUsPerBeat']);
    expect(it.gatewayCores).toBeCloseTo(0.144, 9);
    expect(it.redisCores).toBeNull();
    expect(it.redisServers).toBeNull();
    expect(it.costPerMonth).toBeNull();
  });
});

/** As a run of the bench writes it, cut down to what is read. */
const REPORT: Reported = {
  ran: [
    {
      ...{ name: 'counting', seconds: 1 },
      outcome: {
        ...{ figures: [], words: '' },
        plots: [
          {
            ...{ kind: 'dots', title: 'Memory a connection', unit: 'KB' },
            rows: [{ name: 'gateway', values: [7, 8, 6] }],
          },
        ],
        tables: [
          {
            title: 'CPU a beat in µs, open load',
            head: ['server', 'beats/s', 'itself', 'redis', 'postgres', 'worker'],
            rows: [
              ['gateway', '5000', '21.5', '4.5', '0.3', '0.4'],
              ['gateway-uws', '5000', '11.5', '4.4', '0.3', '0.4'],
            ],
          },
          {
            title: 'CPU a settled minute in µs',
            head: ['', 'minutes', 'minutes/s', 'settler', 'redis', 'postgres'],
            rows: [['this product', '9000', '7000', '31.5', '9.5', '88.5']],
          },
        ],
      },
    },
  ],
};

describe('a report of the bench', () => {
  it('gives the CPU of a beat by transport, of a minute, and the memory of a session', () => {
    expect(fromBench(REPORT, 'ws')).toEqual({
      ...{ gatewayUsPerBeat: 21.5, redisUsPerBeat: 4.5, gatewayBytesPerSession: 7 * 1_024 },
      ...{ workerUsPerMinute: 31.5, redisUsPerMinute: 9.5, postgresUsPerMinute: 88.5 },
    });
    expect(fromBench(REPORT, 'uws')).toMatchObject({
      ...{ gatewayUsPerBeat: 11.5, redisUsPerBeat: 4.4, gatewayBytesPerSession: null },
    });
    expect(Object.values(fromBench({ ran: [] }, 'ws'))).toEqual(Array(6).fill(null));
  });

  it('becomes a table for each transport, with what was given in its place', () => {
    const text = printProjection(REPORT, parametersOf('gatewayUsPerJoin=900, pricePerCore=20'));
    expect(text).toContain('TRANSPORT=ws');
    expect(text).toContain('TRANSPORT=uws');
    expect(text.match(/^\| +1,000,000 /gm)).toHaveLength(6);
    expect(text).toContain('gatewayUsPerBeat=21.5');
    expect(text).toContain('gatewayUsPerJoin=900');
    const [, unknown] = /left out: (.*)\./.exec(text)!;
    expect(unknown).toContain('kernelBytesPerSession');
    expect(unknown).not.toContain('gatewayUsPerJoin');
  });

  it('refuses a parameter it does not know, and a value that is none', () => {
    expect(() => parametersOf('gatewayUsPerBet=1')).toThrow('--with knows no "gatewayUsPerBet"');
    expect(() => parametersOf('pricePerCore=much')).toThrow('and is "much"');
  });
});
