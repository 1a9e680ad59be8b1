import { describe, expect, it } from 'vitest';
import { makeScenario, type ScenarioOptions } from './scenario.ts';

const options: ScenarioOptions = {
  ...{ run: 'r', seed: 7, sessions: 100, alone: 4, organizations: 9, gateways: 3, seconds: 120 },
  ...{ rampSeconds: 10, joinSpreadMs: null, limitSeconds: 30, limited: 0.5 },
  ...{ dropsPerMinute: 2, pausesPerMinute: 2 },
};
const recordersOf = (over: Partial<ScenarioOptions> = {}) =>
  makeScenario({ ...options, ...over }).organizations.flatMap(({ recorders }) => recorders);

describe('a scenario', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(makeScenario(options)).toEqual(makeScenario(options));
    expect(recordersOf({ seed: 8 })).not.toEqual(recordersOf());
  });

  it('has every recorder once, spread over organizations and gateways', () => {
    const { organizations } = makeScenario(options);
    const sizes = organizations.map(({ recorders }) => recorders.length);
    expect(sizes).toEqual([12, 11, 11, 11, 11, 11, 11, 11, 11, 1, 1, 1, 1]);
    const recorders = recordersOf();
    expect(new Set(recorders.map(({ session }) => session)).size).toBe(104);
    expect(new Set(organizations[0]!.recorders.map(({ gateway }) => gateway)).size).toBe(3);
  });

  it('limits as many organizations as asked, and those that are alone', () => {
    const limits = makeScenario(options).organizations.map(({ quotaMs }) => quotaMs !== null);
    expect(limits.slice(0, 9).filter(Boolean)).toHaveLength(5);
    expect(limits.slice(9)).toEqual([true, true, true, true]);
    const none = makeScenario({ ...options, limitSeconds: 0 }).organizations;
    expect(none.every(({ quotaMs }) => quotaMs === null)).toBe(true);
  });

  it('never has anybody do two things at once, nor anything before the join or after the stop', () => {
    for (const { joinAtMs, steps } of recordersOf()) {
      const instants = [joinAtMs, ...steps.map(({ atMs }) => atMs)];
      expect(instants).toEqual([...instants].sort((a, b) => a - b));
      for (let i = 2; i < instants.length; i++) {
        expect(instants[i]! - instants[i - 1]!).toBeGreaterThanOrEqual(250);
      }
      expect(steps.at(-1)?.do).toBe('stop');
      expect(steps.filter((step) => step.do === 'stop')).toHaveLength(1);
    }
  });

  it('ends every pause', () => {
    for (const { steps } of recordersOf()) {
      const turns = steps.filter((step) => step.do === 'pause' || step.do === 'record');
      expect(turns.map((step) => step.do)).toEqual(
        turns.map((_, i) => (i % 2 === 0 ? 'pause' : 'record')),
      );
    }
  });

  it('loses about as many sockets as asked', () => {
    const losses = recordersOf().flatMap(({ steps }) =>
      steps.filter((step) => step.do === 'lose' || step.do === 'leave'),
    );
    // 104 recorders, two a minute for about two minutes, some left out, some gone early.
    expect(losses.length).toBeGreaterThan(200);
    expect(losses.length).toBeLessThan(450);
  });

  it('brings those of an organization together where asked', () => {
    for (const { recorders } of makeScenario({ ...options, joinSpreadMs: 500 }).organizations) {
      const joins = recorders.map(({ joinAtMs }) => joinAtMs);
      expect(Math.max(...joins) - Math.min(...joins)).toBeLessThanOrEqual(500);
    }
  });
});
