import type { Clock } from '../clock.ts';

/** What was asked, or null where it fails or takes longer (real ms); it goes on all the same. */
export async function within<T>(
  clock: Clock,
  patienceMs: number,
  asked: Promise<T>,
): Promise<T | null> {
  let stopWaiting = () => {};
  const patience = new Promise<null>((resolve) => {
    stopWaiting = clock.after(patienceMs, () => resolve(null));
  });
  const answer = await Promise.race([asked.catch(() => null), patience]);
  stopWaiting();
  return answer;
}
