import type { Log } from './log.ts';

export interface UncaughtOptions {
  log: Log;
  /** Known to leave nothing undone: the process goes on. */
  isHarmless(error: unknown): boolean;
  exit?: (code: number) => void;
}

/** What nobody caught is logged as everything else is, and ends the process. Returns the release. */
export function onUncaught({ log, isHarmless, exit = process.exit }: UncaughtOptions): () => void {
  const handle = (error: unknown) => {
    if (isHarmless(error)) {
      log.warn({ err: error }, 'a connection was lost in the moment something was written to it');
      return;
    }
    log.fatal({ err: error }, 'nobody caught this error: ending');
    exit(1);
  };
  process.on('uncaughtException', handle);
  return () => process.off('uncaughtException', handle);
}
