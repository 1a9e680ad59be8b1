import { expect, it } from 'vitest';
import type { Fault } from './faults/fault.ts';
import { FAULTS, planFaults, type Struck, strikeAll } from './schedule.ts';
import type { Stage } from './stage/stage.ts';

const stage = {
  gateways: [{ name: 'gateway-1' }, { name: 'gateway-2' }],
} as unknown as Stage;

function faultOf(name: string, locks: string[], lastsMs: number): Fault {
  const strike = () => new Promise<void>((resolve) => setTimeout(resolve, lastsMs));
  return {
    ...{ name, weight: 1, touches: [] },
    aim: () => ({ target: name, kills: 1, locks, strike }),
  };
}

async function strikeTogether(faults: readonly Fault[]): Promise<Struck[]> {
  const plan = faults.map((fault) => ({ atMs: 0, fault, seed: 1 }));
  const { signal } = new AbortController();
  return strikeAll(stage, plan, 0, { signal, struck: () => {} });
}

it('the same seed plans the same faults, another one others', () => {
  const named = (seed: number) =>
    planFaults(seed, 60_000, 60, FAULTS).map(({ atMs, fault, seed: own }) => [
      atMs,
      fault.name,
      own,
    ]);
  expect(named(7)).toEqual(named(7));
  expect(named(7)).not.toEqual(named(8));
  expect(named(7)).toHaveLength(60);
});

it('over many seeds every kind of fault comes', () => {
  const names = new Set(
    Array.from({ length: 20 }, (_, seed) => planFaults(seed, 60_000, 60, FAULTS)).flatMap((plan) =>
      plan.map(({ fault }) => fault.name),
    ),
  );
  expect([...names].sort()).toEqual(FAULTS.map(({ name }) => name).sort());
});

it('faults meet, unless they need the same thing', async () => {
  const struck = await strikeTogether([
    faultOf('a', ['redis'], 20),
    faultOf('b', ['redis'], 20),
    faultOf('c', ['postgres'], 20),
  ]);
  expect(struck.map(({ name }) => name)).toEqual(['a', 'c']);
  expect(struck.every(({ fromMs, toMs }) => toMs > fromMs)).toBe(true);
});

it('by chance alone no gateway is left out of reach with the last one', async () => {
  const struck = await strikeTogether([
    faultOf('one', ['gateway-1'], 20),
    faultOf('other', ['gateway-2'], 20),
  ]);
  expect(struck.map(({ name }) => name)).toEqual(['one']);
  const all = await strikeTogether([faultOf('all', ['gateway-1', 'gateway-2'], 5)]);
  expect(all).toHaveLength(1);
});
