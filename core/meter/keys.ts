/**
 * Every Redis key of the meter is born here and, from the head's name, in scripts/include/keys.lua.
 * The hash tag keeps a shard in one slot, so that a script stays atomic on a cluster.
 */
export const SHARDS = 64;

/** FNV-1a, 32 bit: stable for ever, since it decides where an organization lives. */
export function shardOf(org: string, shards = SHARDS): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < org.length; i++) {
    hash ^= org.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % shards;
}

export interface MeterKeys {
  head(shard: number): string;
  channel(shard: number): string;
  /** hash of what the ledger has yet to learn: to be counted from outside, read by scripts alone */
  unsettled(shard: number): string;
  /** Marks a ticket as used. This and those below have a time-to-live, since they carry no money. */
  ticket(id: string): string;
  /** which gateway processes give signs of life */
  gateways(): string;
  /** how many sockets each process has of an address, a member or an organization */
  sockets(kind: string, id: string): string;
  /** how often an API caller has asked */
  rate(id: string): string;
}

/**
 * The number is that of the records' layout (scripts/include/records.lua): raise it when that changes.
 * What an earlier version wrote is then not misread but missing, which recovery mends (rule 22).
 */
export const NAMESPACE = 'tm3';

/** `namespace` keeps installations (and test files) apart on one Redis. */
export function meterKeys(namespace = NAMESPACE): MeterKeys {
  return {
    head: (shard) => `${namespace}:{${shard}}:head`,
    channel: (shard) => `${namespace}:{${shard}}:events`,
    unsettled: (shard) => `${namespace}:{${shard}}:unsettled`,
    ticket: (id) => `${namespace}:ticket:${id}`,
    gateways: () => `${namespace}:gateways`,
    sockets: (kind, id) => `${namespace}:sockets:${kind}:${id}`,
    rate: (id) => `${namespace}:rate:${id}`,
  };
}
