import { SHARDS } from '../../core/meter/keys.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { ShardSettler } from '../ledger/shard-settler.ts';
import { type Repeated, repeat } from '../repeat.ts';

/** Settles what no job has named, or whose job was lost: a wiped queue loses nothing. */
export function startUnsettledSweep(options: {
  settler: Pick<ShardSettler, 'sweep'>;
  everyMs: number;
  log: Log;
}): Repeated {
  return repeat({
    name: 'unsettled-sweep',
    everyMs: options.everyMs,
    log: options.log,
    async run() {
      const shards = Array.from({ length: SHARDS }, (_, shard) => options.settler.sweep(shard));
      const results = await Promise.allSettled(shards);
      const failure = results.find((it) => it.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
    },
  });
}
