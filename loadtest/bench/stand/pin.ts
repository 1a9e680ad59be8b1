/** The server under test has the first core to itself; load, stores and workers share the others. */
import { execFile } from 'node:child_process';
import { availableParallelism, platform } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type Place = 'server' | 'rest';

export interface Pinning {
  /** How it is done, or why not, for the report. */
  words: string;
  /** Moves a process with all its threads; what it forks later is born there. */
  pin(pid: number, place: Place): Promise<void>;
}

export async function findPinning(): Promise<Pinning> {
  const cores = availableParallelism();
  const free = { async pin() {} };
  if (platform() !== 'linux') {
    return { words: 'not pinned: this system has no taskset', ...free };
  }
  if (cores < 2) return { words: 'not pinned: there is one core only', ...free };
  const present = await run('taskset', ['-V']).then(
    () => true,
    () => false,
  );
  if (!present) return { words: 'not pinned: taskset was not found (util-linux)', ...free };
  const lists: Record<Place, string> = { server: '0', rest: `1-${cores - 1}` };
  return {
    words: `the server on core ${lists.server}, everything else on ${lists.rest}`,
    async pin(pid, place) {
      await run('taskset', ['-a', '-cp', lists[place], String(pid)]);
    },
  };
}
