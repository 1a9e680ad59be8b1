/**
 * Whether Postgres answers, asked now and then: nothing on a beat's way needs it, so that a gateway
 * would otherwise not notice. Told once when it stops, and once when it is back.
 */
import type { Log } from '../core/runtime/log.ts';
import type { OutageBook } from './outage-book.ts';

const LOOK_MS = 2_000;
/** One that is stalled says nothing at all. */
const PATIENCE_MS = 3_000;

export interface PostgresWatchOptions {
  log: Log;
  book: Pick<OutageBook, 'began' | 'ended'>;
  /** resolves when Postgres answers */
  ask(): Promise<void>;
}

export function startPostgresWatch(options: PostgresWatchOptions): { stop(): Promise<void> } {
  const { log, book } = options;
  let isAway = false;
  let isAsking = false;

  async function look(): Promise<void> {
    let late: NodeJS.Timeout | undefined;
    try {
      const patience = new Promise<never>((_, reject) => {
        late = setTimeout(reject, PATIENCE_MS, new Error(`no answer in ${PATIENCE_MS / 1_000} s`));
      });
      await Promise.race([options.ask(), patience]);
      if (isAway) log.warn('Postgres answers again');
      if (isAway) book.ended('postgres');
      isAway = false;
    } catch (error) {
      if (isAway) return;
      isAway = true;
      book.began('postgres');
      log.error(
        { err: error },
        'Postgres does not answer: sessions go on, new ones may be refused',
      );
    } finally {
      clearTimeout(late);
    }
  }

  const timer = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    void look().finally(() => {
      isAsking = false;
    });
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
    },
  };
}
