/** Waiting for what a test has brought about, as long as a busy machine may take for it. */
import { vi } from 'vitest';

/** vitest's own is 1 s, which is a busy second's work and not a fault. Real ms. */
const PATIENCE_MS = 10_000;

/** Resolves once `check` does not throw; @throws what it threw last */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: PATIENCE_MS });
