/** What can be wrong with Redis and Postgres themselves. */
import { type CodeEntry, entry, FIX } from './code-entry.ts';

export const STORE_CODES = {
  redisEviction: entry(
    'wrong',
    'Redis may drop counters and jobs when memory is short.',
    'Set "maxmemory-policy noeviction" in Redis.',
  ),
  redisPersistence: entry(
    'wrong',
    'Redis forgets what is not settled when it restarts; gateways and clients must remember it.',
    'Set "appendonly yes" and "appendfsync everysec", and see that its disk can be written.',
  ),
  redisMemory: entry(
    'warning',
    'Redis has little memory left: when it is full nothing can be counted there.',
    'Give it more memory, or raise maxmemory.',
  ),
  redisReplication: entry(
    'warning',
    'The copy of Redis lags or is gone: after a failover more must be remembered by gateways and clients.',
    'See that the replica runs and reaches its primary.',
  ),
  redisClients: entry(
    'warning',
    'Redis has few connections left: new gateways and workers would be refused.',
    'Raise "maxclients", or find who opens so many.',
  ),
  clockDifference: entry(
    'wrong',
    'Clocks differ by more than 2 s: no boundary of a period is believed, and charging waits there.',
    'Have the machines set their clocks by the same time server.',
  ),
  postgresRole: entry(
    'wrong',
    'Services log in as a role above grants: nothing protects the ledger from a mistake.',
    'Use the login role that the migration grants to ("taximeter").',
  ),
  postgresGuards: entry(
    'wrong',
    'A trigger or grant that protects the ledger is missing: entries could be changed or deleted.',
    'Run the migration again as the owner (node dist/local/migrate.js); find who took it away.',
  ),
  postgresDurability: entry(
    'warning',
    'Postgres may lose what it has acknowledged when its machine fails.',
    'Set fsync, full_page_writes and synchronous_commit to "on".',
  ),
  postgresConnections: entry(
    'warning',
    'Postgres has few connections left: gateways and workers would be refused.',
    'Raise max_connections, or use fewer connections a process.',
  ),
  postgresWaiting: entry(
    'warning',
    'A transaction holds its locks for long: settling may wait for it.',
    'Find who began it (pg_stat_activity), and end it.',
  ),
  postgresReplication: entry(
    'warning',
    'The copy of Postgres lags: after a failover the ledger would miss its last entries.',
    'See that the standby runs and keeps up.',
  ),
  partitionMissing: entry(
    'warning',
    'A month to come has no partition: its minutes go to the default one, which slows all down.',
    `${FIX} It makes the partitions.`,
  ),
  partitionDefault: entry(
    'warning',
    'Minutes lie in the default partition: everything works, more slowly.',
    'See that a worker runs: making the partition of their month moves them.',
  ),
  migrationVersion: entry(
    'wrong',
    'The database is not of this version of the program.',
    'Run the migration (node dist/local/migrate.js), or use the version that fits.',
  ),
} as const satisfies Record<string, CodeEntry>;
