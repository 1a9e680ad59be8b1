/**
 * Connections to be had one at a time, for statements that must run on the same one. Each is a client
 * with a single connection, which sends what it is given in order and without waiting. (The driver's own
 * `reserve()` waits for ever on a connection that was lost and made again.)
 */
import type postgres from 'postgres';

export interface Lines {
  /**
   * Runs `work` on a line that is nobody else's; waits for one where all are in use. What rejects with
   * anything but an answer of Postgres takes its line down with it: who is next gets a new one at once.
   */
  on<Result>(work: (line: postgres.Sql) => Promise<Result>): Promise<Result>;
  stop(): Promise<void>;
}

export interface LinesOptions {
  /** a client with one connection, lazily made */
  open(): postgres.Sql;
  /** connections at most */
  most: number;
  /** whether this is what Postgres answered, so that the connection is as good as before */
  isAnswer(error: unknown): boolean;
}

const STOP_TIMEOUT_S = 5;

export function createLines({ open, most, isAnswer }: LinesOptions): Lines {
  const all = new Set<postgres.Sql>();
  const free: postgres.Sql[] = [];
  const waiting: { take(line: postgres.Sql): void; refuse(error: Error): void }[] = [];
  let isEnded = false;

  const ended = () => new Error('The connection to Postgres has been closed.');

  function made(): postgres.Sql {
    const line = open();
    all.add(line);
    return line;
  }

  function take(): Promise<postgres.Sql> {
    if (isEnded) return Promise.reject(ended());
    const line = free.pop() ?? (all.size < most ? made() : undefined);
    if (line) return Promise.resolve(line);
    return new Promise((resolve, reject) => waiting.push({ take: resolve, refuse: reject }));
  }

  function giveBack(line: postgres.Sql): void {
    const next = waiting.shift();
    if (next) next.take(line);
    else free.push(line);
  }

  function discard(line: postgres.Sql): void {
    all.delete(line);
    line.end({ timeout: 0 }).catch(() => {});
    const next = waiting.shift();
    if (next) next.take(made());
  }

  return {
    async on(work) {
      const line = await take();
      try {
        const result = await work(line);
        giveBack(line);
        return result;
      } catch (error) {
        if (isAnswer(error)) giveBack(line);
        else discard(line);
        throw error;
      }
    },
    async stop() {
      isEnded = true;
      for (const { refuse } of waiting.splice(0)) refuse(ended());
      await Promise.all([...all].map((line) => line.end({ timeout: STOP_TIMEOUT_S })));
    },
  };
}
