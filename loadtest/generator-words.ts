/** What a generator process and its parent say to each other. */
import type { FleetCount } from './fleet.ts';
import type { RecorderLog } from './recorder-log.ts';
import type { RecorderScript } from './scenario.ts';

/** The parent waits no longer: let go, and tell what there is. */
export const GIVE_UP = 'give up';

export interface GeneratorTask {
  scripts: RecorderScript[];
  urls: string[];
  apiKey: string;
  runStartMs: number;
  countEveryMs: number;
  isTraced: boolean;
}

export type GeneratorWord =
  | { kind: 'count'; count: FleetCount }
  | { kind: 'ended'; org: string; session: string }
  | { kind: 'done'; logs: RecorderLog[]; loopDelay: LoopDelay };

/** How long what had come waited for this process: it is part of every lateness measured here. */
export interface LoopDelay {
  p50Ms: number;
  p99Ms: number;
  maximumMs: number;
}
