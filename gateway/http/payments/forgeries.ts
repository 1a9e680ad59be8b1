/**
 * Webhooks that were not believed, counted by the address they came from: each costs a hash of its
 * body. Only these count, so that no burst of Stripe's is refused; and an address that has lately
 * sent a good one, a proxy say, is never refused for what others send through it. Of this process
 * alone: what is spared is its own time.
 */
import { networkOf } from '../../limits/network.ts';

/** At once; each is forgotten after a second. */
export const MOST_FORGERIES = 60;
const FORGOTTEN_AFTER_MS = 1_000;
const PROVEN_MS = 24 * 3_600_000;
/** Beyond it those that were heard of first are forgotten. */
const MAX_ADDRESSES = 10_000;

export interface Forgeries {
  /** Seconds until another one is looked at; 0: now. @param at epoch ms, as everywhere here */
  waitSeconds(address: string, at: number): number;
  failed(address: string, at: number): void;
  /** A good one came from there. */
  proved(address: string, at: number): void;
}

export function createForgeries(): Forgeries {
  /** when the last of them is forgotten */
  const untilByNetwork = new Map<string, number>();
  const provenAt = new Map<string, number>();

  function note(map: Map<string, number>, network: string, value: number): void {
    // Anew at the end: the order is that in which they were heard of last.
    map.delete(network);
    map.set(network, value);
    if (map.size > MAX_ADDRESSES) map.delete(map.keys().next().value!);
  }

  return {
    waitSeconds(address, at) {
      const network = networkOf(address);
      if (at - (provenAt.get(network) ?? Number.NEGATIVE_INFINITY) < PROVEN_MS) return 0;
      const countMs = (untilByNetwork.get(network) ?? 0) - at;
      const mostMs = (MOST_FORGERIES - 1) * FORGOTTEN_AFTER_MS;
      return countMs <= mostMs ? 0 : Math.ceil((countMs - mostMs) / 1_000);
    },
    failed(address, at) {
      const network = networkOf(address);
      const until = Math.max(at, untilByNetwork.get(network) ?? at) + FORGOTTEN_AFTER_MS;
      note(untilByNetwork, network, until);
    },
    proved: (address, at) => note(provenAt, networkOf(address), at),
  };
}
