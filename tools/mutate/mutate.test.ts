/**
 * The mutation check in short: that every mutation still finds its text, and that a few of them, others
 * with every seed (`SEED=<n>`), are noticed. `npm run mutate` tries all.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import { diceOf } from '../../core/meter/schedule.ts';
import type { Mutation } from './mutation.ts';
import { MUTATIONS, rotten } from './mutations.ts';
import { runMutations } from './run-mutations.ts';
import { isGood, judge, lineOf } from './verdict.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FEW = 4;
/** Pages that take a second: on a real Redis, or in memory. */
const isQuick = ({ tests }: Mutation) =>
  tests.every((test) => /^core\/meter\/rules|^gateway\/(stopwatch|notices|watch|claim)/.test(test));

function some(seed: number): Mutation[] {
  const dice = diceOf(seed);
  const left = MUTATIONS.filter(isQuick);
  return Array.from({ length: FEW }, () => left.splice(dice.below(left.length), 1)[0]!);
}

describe('the mutations', () => {
  it('are forty at least, and each finds the text that it takes away', () => {
    expect(MUTATIONS.length).toBeGreaterThanOrEqual(40);
    expect(rotten(MUTATIONS, ROOT)).toEqual([]);
  });

  it('that have rotted are told with what is missing', () => {
    const [one] = MUTATIONS;
    const found = rotten([one!, { ...one!, text: 'nowhere to be found', tests: [] }], ROOT);
    expect(found).toHaveLength(3);
    expect(found.join()).toContain('nowhere to be found');
  });

  it('that nothing notices are told in words, and so is what is red without them', () => {
    const [one] = MUTATIONS;
    const placeOf = (path: string) => ({ name: path, file: 'a.test.ts' });
    const workplace = { folder: '', configFile: '', placeOf };
    const told = (unchanged: string, mutated: string) => {
      const result = (name: string, status: string) => ({
        ...{ name, status, assertionResults: [{ status, fullName: 'holds' }] },
      });
      return { testResults: [result('unchanged', unchanged), result(one!.name, mutated)] };
    };
    const [survivor] = judge([one!], told('passed', 'passed'), workplace);
    expect(lineOf(survivor!)).toContain(`nothing notices that ${one!.unguarded}`);
    expect(judge([one!], told('passed', 'failed'), workplace)[0]!.result).toBe('red');
    const [untold] = judge(
      [{ ...one!, tests: ['a.test.ts'] }],
      told('failed', 'failed'),
      workplace,
    );
    expect(lineOf(untold!)).toMatch(/^BROKEN.*red without any mutation: a.test.ts › holds/);
    expect(isGood([untold!])).toBe(false);
    expect(() => judge([one!], { testResults: [] }, workplace)).toThrow(/No test ran/);
  });
});

it('a few guards that are taken away are missed', { timeout: 300_000 }, async () => {
  const mutations = some(Number(process.env.SEED ?? 1));
  const verdicts = await runMutations(mutations, {
    root: ROOT,
    workers: 1,
    // The stores of this very run: what the rules write there is in namespaces of their own.
    env: {
      ...process.env,
      TEST_REDIS_URL: inject('redisUrl'),
      TEST_REDIS_CLUSTER_URL: inject('clusterUrl'),
      TEST_DATABASE_URL: inject('postgresAdminUrl'),
    },
  });
  expect(verdicts.filter(({ result }) => result !== 'red').map(lineOf)).toEqual([]);
});
