/** Whole gateways on a virtual clock, in storms that are shorter than those of storm.test.ts. */
import { it } from 'vitest';
import { type Coverage, count, simulate } from '../core/meter/test-simulation.ts';
import { runStorm } from './test-storm.ts';

const stepsOf = (seed: number) => 15 + (seed % 31);

/** Faults by their names, and the meter's commands by theirs with how often each was asked. */
function note(coverage: Coverage, what: string): void {
  const [name = '', times] = what.split('|');
  if (times === undefined) count(coverage, name);
  else count(coverage, `asked ${name}`, Number(times));
}

it('no short storm loses a second, or counts one twice', { timeout: 86_400_000 }, () =>
  simulate({
    ...{ name: 'gateway', schedules: 2, patienceMs: 3_000 },
    async run(seed, coverage) {
      const steps = stepsOf(seed);
      const problems = await runStorm(seed, steps, (what) => note(coverage, what));
      return { steps, problems };
    },
    /** A storm draws all from one seed: what can be left out is its end. */
    async shrink(seed) {
      for (let steps = 1; steps < stepsOf(seed); steps++) {
        const problems = await runStorm(seed, steps);
        if (problems.length > 0) return [`In ${steps} steps:`, ...problems];
      }
      return [];
    },
  }),
);
