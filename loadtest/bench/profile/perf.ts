/** Where Redis' time goes, by `perf` where there is one: it has no profiler of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SAMPLES_PER_SECOND = 999;
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface PerfShare {
  percent: number;
  library: string;
  symbol: string;
}

/** Symbols by self time, most first. @throws Error that says why there are none */
export async function perfOf(pid: number, forMs: number, folder: string): Promise<PerfShare[]> {
  const file = join(folder, 'perf.data');
  const seconds = String(forMs / 1_000);
  const record = ['record', '-q', '-F', String(SAMPLES_PER_SECOND), '-p', String(pid), '-o', file];
  await run('perf', [...record, '--', 'sleep', seconds]);
  const { stdout } = await run(
    'perf',
    ['report', '-i', file, '--stdio', '-F', 'overhead,dso,symbol', '--percent-limit', '0.3'],
    { maxBuffer: MOST_OUTPUT_BYTES },
  );
  return [...stdout.matchAll(/^\s*([\d.]+)%\s+(\S+)\s+\[[.k]\]\s+(.+?)\s*$/gm)].map(
    ([, percent, library, symbol]) => ({
      ...{ percent: Number(percent), library: library!, symbol: symbol! },
    }),
  );
}
