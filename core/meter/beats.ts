/** Many sessions' words to the meter: one call over all shards, or on a cluster one a shard. */
import type { BeatItem, BeatsReply } from './commands.ts';
import type { MeterKeys } from './keys.ts';
import { packWords } from './packed.ts';
import { beatsReply, type RawBeats } from './replies.ts';
import { type Asking, type MeterServer, runIdOf } from './servers.ts';

export interface Places {
  keys: MeterKeys;
  shard(org: string): number;
}

export async function beatsAtOnce(
  asking: Asking,
  items: readonly BeatItem[],
  gatewayWallMs: number,
  { keys, shard }: Places,
): Promise<BeatsReply> {
  const heads: number[] = [];
  const places = new Map<string, number>();
  for (const { org } of items) {
    if (places.has(org)) continue;
    const number = shard(org);
    const known = heads.indexOf(number);
    places.set(org, known < 0 ? heads.push(number) : known + 1);
  }
  const words = packWords(items, (org) => places.get(org)!);
  const reply = await asking.run('beats', heads.map(keys.head), (server) => [
    runIdOf(server),
    gatewayWallMs,
    words,
  ]);
  return beatsReply(reply as RawBeats, heads);
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
        const said = own.map((i) => items[i]!);
        return [runIdOf(server), gatewayWallMs, packWords(said, () => 1)];
      },
    })),
  );
  const all: BeatsReply = { now: 0, items: items.map(() => null), budgets: [], minutes: [] };
  shares.forEach(([number, own], k) => {
    if (answers[k] === null) return;
    const reply = beatsReply(answers[k] as RawBeats, [number]);
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
