/** Simulated time beside real files: neither waits for the other, so a test passes time until it holds. */
import { stat } from 'node:fs/promises';
import type { World } from '../test-gateway.ts';

/** Real: what a busy disk may take. */
const PATIENCE_NS = 30_000_000_000n;
/** Simulated, in each step. */
const STEP_MS = 20;

/** Resolves once `holds` does not throw, however long the files take; @throws what it threw last */
export async function passUntil(world: World, holds: () => void | Promise<void>): Promise<void> {
  const endsAt = process.hrtime.bigint() + PATIENCE_NS;
  for (;;) {
    try {
      return await holds();
    } catch (error) {
      if (process.hrtime.bigint() > endsAt) throw error;
    }
    await world.pass(STEP_MS);
    await stat('.');
  }
}

/** What `promise` comes to, which needs simulated time and real files. */
export async function passUntilSettled<T>(world: World, promise: Promise<T>): Promise<T> {
  let isPending = true;
  const settle = () => {
    isPending = false;
  };
  promise.then(settle, settle);
  await passUntil(world, () => {
    if (isPending) throw new Error('it was still under way');
  });
  return promise;
}
