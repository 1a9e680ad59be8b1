import type { Log } from '../core/runtime/log.ts';
import type { Stoppable } from '../core/runtime/stop.ts';

export interface Repeated extends Stoppable {
  /** Runs at once, or once more after the run that is under way. */
  wake(): void;
}

export interface RepeatOptions {
  name: string;
  /** from the end of a run to the next */
  everyMs: number;
  log: Log;
  /** Throwing is logged, once an outage; the next run comes all the same. */
  run(): Promise<void>;
}

/** Runs something now and again, never twice at a time. `stop` waits for the run under way. */
export function repeat({ name, everyMs, log, run }: RepeatOptions): Repeated {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let isWoken = false;
  let isFailing = false;
  let running: Promise<void> | null = null;

  async function once(): Promise<void> {
    try {
      await run();
      if (isFailing) log.info({ task: name }, 'a repeated task works again');
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.error({ err: error, task: name }, 'a repeated task failed; it goes on');
      isFailing = true;
    }
  }

  function start(): void {
    clearTimeout(timer);
    isWoken = false;
    // Begun in a turn of its own: `running` is set before anything in it can wake.
    running = Promise.resolve()
      .then(once)
      .then(() => {
        running = null;
        if (isStopped) return;
        // A failing task is not woken out of its pause: it would spin.
        timer = setTimeout(start, isWoken && !isFailing ? 0 : everyMs);
      });
  }

  start();
  return {
    wake() {
      if (isStopped) return;
      if (running === null) start();
      else isWoken = true;
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
