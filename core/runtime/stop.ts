import type { Log } from './log.ts';

/** Whatever starts returns this. */
export interface Stoppable {
  stop(): Promise<void>;
}

export interface StopList {
  /** Last added, first stopped: what was started on top of something ends before it. */
  add(name: string, part: Stoppable): void;
  /**
   * Stops everything in order; a part that fails is logged and the next one goes on. Repeated calls
   * share one stop. Resolves with false when the deadline came first or something failed.
   */
  stop(reason: string): Promise<boolean>;
  /**
   * SIGTERM and SIGINT stop the process: code 0 when all went well, else 1. A second signal ends it
   * at once. Returns the release.
   */
  onSignals(): () => void;
}

export interface StopListOptions {
  log: Log;
  /** For all parts together. */
  deadlineMs: number;
  exit?: (code: number) => void;
}

export function createStopList({
  log,
  deadlineMs,
  exit = process.exit,
}: StopListOptions): StopList {
  const parts: { name: string; part: Stoppable }[] = [];
  let stopping: Promise<boolean> | null = null;
  let current = '';

  async function stopAll(): Promise<boolean> {
    let clean = true;
    for (let entry = parts.pop(); entry !== undefined; entry = parts.pop()) {
      current = entry.name;
      try {
        await entry.part.stop();
      } catch (error) {
        clean = false;
        log.error({ err: error, part: entry.name }, 'a part failed to stop');
      }
    }
    return clean;
  }

  async function stopWithinDeadline(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => {
        log.error({ part: current, deadlineMs }, 'stopping took too long: giving up on this part');
        resolve(false);
      }, deadlineMs);
    });
    const clean = await Promise.race([stopAll(), late]);
    clearTimeout(timer);
    return clean;
  }

  return {
    add(name, part) {
      parts.push({ name, part });
    },
    stop(reason) {
      if (stopping === null) {
        log.info({ reason }, 'stopping');
        stopping = stopWithinDeadline();
      }
      return stopping;
    },
    onSignals() {
      const handle = (signal: NodeJS.Signals) => {
        if (stopping !== null) {
          log.warn({ signal, part: current }, 'a second signal: ending at once');
          exit(1);
          return;
        }
        void this.stop(signal).then((clean) => exit(clean ? 0 : 1));
      };
      process.on('SIGTERM', handle);
      process.on('SIGINT', handle);
      return () => {
        process.off('SIGTERM', handle);
        process.off('SIGINT', handle);
      };
    },
  };
}
