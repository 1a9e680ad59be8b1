import { MAX_FIELDS_A_JOB } from '../../core/jobs/queues.ts';
import { type LedgerContext, type SettleOutcome, settle } from './settle.ts';

/**
 * Lets one settling of a shard run at a time in this process, and joins what is asked for meanwhile
 * into the next one: several writers on the same hot rows are slower than one. (Between processes
 * the ledger's lock of the shard sees to it.)
 */
export interface ShardSettler {
  /** Resolves when these fields have been settled, or left for a recovery. */
  settle(shard: number, fields: readonly string[]): Promise<void>;
  /** Settles whatever the shard has. */
  sweep(shard: number): Promise<void>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export interface ShardSettlerOptions {
  context: LedgerContext;
  /** The shard has to be recovered first. */
  needsRecovery(shard: number): void;
  settled?(shard: number, outcome: Extract<SettleOutcome, { status: 'settled' }>): void;
}

interface Waiting {
  fields: Set<string>;
  done: Promise<void>;
}

export function createShardSettler(options: ShardSettlerOptions): ShardSettler {
  const { context, needsRecovery } = options;
  const tails = new Map<number, Promise<void>>();
  const waiting = new Map<number, Waiting>();

  /** After what runs now on this shard. A failure is the failed one's own. */
  function queue(shard: number, run: () => Promise<void>): Promise<void> {
    const before = tails.get(shard) ?? Promise.resolve();
    const mine = before.then(run);
    const tail = mine
      .catch(() => {})
      .finally(() => {
        if (tails.get(shard) === tail) tails.delete(shard);
      });
    tails.set(shard, tail);
    return mine;
  }

  async function ask(
    shard: number,
    what: { limit: number } | { fields: string[] },
  ): Promise<SettleOutcome> {
    const outcome = await settle(context, shard, what);
    if (outcome.status === 'recover') needsRecovery(shard);
    else options.settled?.(shard, outcome);
    return outcome;
  }

  async function settleNamed(shard: number, fields: string[]): Promise<void> {
    for (let i = 0; i < fields.length; i += MAX_FIELDS_A_JOB) {
      const outcome = await ask(shard, { fields: fields.slice(i, i + MAX_FIELDS_A_JOB) });
      if (outcome.status === 'recover') return;
    }
  }

  return {
    settle(shard, fields) {
      const known = waiting.get(shard);
      if (known !== undefined) {
        for (const field of fields) known.fields.add(field);
        return known.done;
      }
      const all = new Set(fields);
      const done = queue(shard, () => {
        waiting.delete(shard);
        return settleNamed(shard, [...all]);
      });
      waiting.set(shard, { fields: all, done });
      return done;
    },

    sweep(shard) {
      return queue(shard, async () => {
        for (;;) {
          const outcome = await ask(shard, { limit: MAX_FIELDS_A_JOB });
          // Fewer than asked for: that was all. Nothing committed: what is left is refused.
          if (outcome.status === 'recover' || outcome.fields < MAX_FIELDS_A_JOB) return;
          if (outcome.committed === 0) return;
        }
      });
    },

    async idle() {
      while (tails.size > 0) await Promise.all(tails.values());
    },
  };
}
