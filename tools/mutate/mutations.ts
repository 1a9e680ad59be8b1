/** Every guard that has a mutation, and whether its text still stands where it should. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutation } from './mutation.ts';
import { CONTROL } from './mutations/control.ts';
import { COUNTING } from './mutations/counting.ts';
import { EDGE } from './mutations/edge.ts';
import { HOLDS } from './mutations/holds.ts';
import { LEDGER } from './mutations/ledger.ts';
import { LIMITS } from './mutations/limits.ts';
import { MINUTES } from './mutations/minutes.ts';
import { OUTAGES } from './mutations/outages.ts';
import { OWNERS } from './mutations/owners.ts';
import { PAYMENTS } from './mutations/payments.ts';
import { RECOVERY } from './mutations/recovery.ts';
import { STOPPING } from './mutations/stopping.ts';
import { TOPUP } from './mutations/topup.ts';

export const MUTATIONS: readonly Mutation[] = [
  ...COUNTING,
  ...STOPPING,
  ...TOPUP,
  ...LIMITS,
  ...MINUTES,
  ...OWNERS,
  ...RECOVERY,
  ...OUTAGES,
  ...LEDGER,
  ...PAYMENTS,
  ...HOLDS,
  ...EDGE,
  ...CONTROL,
];

/** What is wrong with the list itself: a guard that has moved would never be taken away again. */
export function rotten(mutations: readonly Mutation[], root: string): string[] {
  const names = new Set<string>();
  return mutations.flatMap(({ name, file, text, replacement, tests }) => {
    const found: string[] = [];
    if (names.has(name)) found.push(`${name}: another mutation has this name.`);
    names.add(name);
    const path = join(root, file);
    const times = existsSync(path) ? readFileSync(path, 'utf8').split(text).length - 1 : 0;
    if (times !== 1) {
      const where = times === 0 ? 'is not there' : `stands there ${times} times`;
      found.push(
        `${name}: in ${file} this ${where}; bring the mutation to what is true now: ${text}`,
      );
    }
    if (text === replacement) found.push(`${name}: it changes nothing.`);
    if (tests.length === 0) found.push(`${name}: it names no test.`);
    for (const test of tests) {
      if (!existsSync(join(root, test))) found.push(`${name}: there is no ${test}.`);
    }
    return found;
  });
}
