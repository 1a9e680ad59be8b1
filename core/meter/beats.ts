/** Many sessions' words to the meter: one call over all shards, or on a cluster one a shard. */
import type { BeatItem, BeatsReply } from './commands.ts';
import type { MeterKeys } from './keys.ts';
import { beatArguments, beatsReply } from './replies.ts';
import { type Arguments, type Asking, type MeterServer, runIdOf } from './servers.ts';

export interface Places {
  keys: MeterKeys;
  shard(org: string): number;
}

type Raw = Parameters<typeof beatsReply>[0];

export async function beatsAtOnce(
  asking: Asking,
  items: readonly BeatItem[],
  gatewayWallMs: number,
  { keys, shard }: Places,
): Promise<BeatsReply> {
  const heads = [...new Set(items.map((item) => shard(item.org)))];
  const place = new Map(heads.map((number, index) => [number, index + 1]));
  const reply = await asking.run('beats', heads.map(keys.head), (server) => {
    const args: Arguments = [runIdOf(server), gatewayWallMs];
    for (const item of items) args.push(place.get(shard(item.org))!, ...beatArguments(item));
    return args;
  });
  return beatsReply(reply as Raw, heads);
}

/** Words of shards whose server could not be asked are answered null; it keeps nobody waiting. */
export async function beatsByShard(
  asking: Asking,
  items: readonly BeatItem[],
  gatewayWallMs: number,
  { keys, shard }: Places,
): Promise<BeatsReply> {
  const places = new Map<number, number[]>();
  items.forEach((item, i) => {
    const number = shard(item.org);
    const own = places.get(number);
    if (own) own.push(i);
    else places.set(number, [i]);
  });
  const shares = [...places];
  const answers = await asking.runEach(
    'beats',
    shares.map(([number, own]) => ({
      key: keys.head(number),
      args(server: MeterServer) {
        const args: Arguments = [runIdOf(server), gatewayWallMs];
        for (const i of own) args.push(1, ...beatArguments(items[i]!));
        return args;
      },
    })),
  );
  const all: BeatsReply = { now: 0, items: items.map(() => null), budgets: [], minutes: [] };
  shares.forEach(([number, own], k) => {
    if (answers[k] === null) return;
    const reply = beatsReply(answers[k] as Raw, [number]);
    // Of several clocks, the one that is ahead: the latest that anything was charged at.
    all.now = Math.max(all.now, reply.now);
    own.forEach((i, place) => {
      all.items[i] = reply.items[place] ?? null;
    });
    all.budgets.push(...reply.budgets);
    all.minutes.push(...reply.minutes);
  });
  return all;
}
