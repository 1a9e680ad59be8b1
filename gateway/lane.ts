/**
 * Work of many sessions at once that each asks a store: so much of it goes on at a time, the rest
 * waits in order. At midnight thousands of organizations turn, and their sessions with them.
 */
export type Lane = <T>(work: () => Promise<T>) => Promise<T>;

/** Sessions that are brought into another period at a time. */
export const TURNING_AT_ONCE = 64;

export function createLane(width: number): Lane {
  const waiting: (() => void)[] = [];
  let free = width;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
