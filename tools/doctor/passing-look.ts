/** What passes through Postgres and must not stay: recoveries, the outbox, requests at work. */
import { SHARDS } from '../../core/meter/keys.ts';
import type { ShardRow } from '../../drizzle/queries/read-shards.ts';
import { countText } from '../../worker/ledger/check/count-text.ts';
import { type Finding, finding } from '../../worker/ledger/check/finding.ts';
import { inSnapshot, type Reading } from '../../worker/ledger/check/snapshot.ts';
import type { Seen } from './examination.ts';
import type { Stores } from './stores.ts';

/** Workers look each second; a recovery takes some. */
const MOST_OPEN_S = 20;
const MOST_WAITING_S = 20;
const MOST_AT_WORK_S = 600;

export interface Head {
  shard: number;
  /** null: the shard has no head of this server life */
  generation: number | null;
}

export function judgeShards(heads: readonly Head[], known: readonly ShardRow[]): Finding[] {
  return heads.flatMap(({ shard, generation }) => {
    const row = known[shard]!;
    const subject = `shard ${shard}`;
    const figures = { generation, expected: row.generation };
    if (generation === null) {
      const says = `Shard ${shard} has no head in Redis of this server life (Postgres: generation ${row.generation}).`;
      return [finding('shardUnrecovered', { subject, says, figures })];
    }
    if (generation === row.generation && row.isRecovered) return [];
    const says =
      generation === row.generation
        ? `The recovery of shard ${shard} to generation ${generation} did not come to its end.`
        : `Shard ${shard} is of generation ${generation} in Redis, and of ${row.generation} in Postgres.`;
    return [finding('shardUnrecovered', { subject, says, figures })];
  });
}

async function readHeads({ meter }: Stores): Promise<Head[]> {
  const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
  return Promise.all(
    shards.map(async (shard) => {
      const reply = await meter.pending(shard, { limit: 1 });
      return { shard, generation: reply.status === 'ok' ? reply.generation : null };
    }),
  );
}

export async function lookAtShards(stores: Stores): Promise<Seen> {
  const heads = await readHeads(stores);
  const rows = await inSnapshot(
    stores.database.sql,
    (tx) => tx<ShardRow[]>`
      select generation, recovered_generation = generation as "isRecovered"
      from shards order by shard`,
  );
  const highest = rows.reduce((most, row) => Math.max(most, row.generation), 0);
  return {
    looked: `${heads.length} shards, the highest generation is ${highest}`,
    findings: judgeShards(heads, rows),
  };
}

interface Passing {
  recoveries: { shard: number; ageS: number; requestedBy: string }[];
  words: { org: string; count: number; ageS: number }[];
  decreases: string[];
  requests: number;
  outbox: number;
}

function readPassing(tx: Reading): Promise<Passing> {
  return tx<Passing[]>`
    select (select coalesce(json_agg(json_build_object('shard', shard, 'requestedBy', requested_by,
         'ageS', extract(epoch from now() - requested_at)) order by shard), '[]')
       from recoveries where done_at is null
         and requested_at < now() - make_interval(secs => ${MOST_OPEN_S})) as recoveries,
      (select coalesce(json_agg(w order by w.org), '[]') from (
         select org, count(*), extract(epoch from now() - min(created_at)) as "ageS"
         from meter_outbox group by org
         having min(created_at) < now() - make_interval(secs => ${MOST_WAITING_S})) w) as words,
      (select coalesce(json_agg(d.org order by d.org), '[]') from (
         select org from billing_periods where decrease_pending
         union select org from adjustments where applied_at is null) d
       where not exists (select from meter_outbox m where m.org = d.org)) as decreases,
      (select count(*) from idempotency_keys where status is null
         and created_at < now() - make_interval(secs => ${MOST_AT_WORK_S})) as requests,
      (select count(*) from meter_outbox) as outbox`.then((rows) => rows[0]!);
}

export function judgePassing({ recoveries, words, decreases, requests }: Passing): Finding[] {
  const found = [
    ...recoveries.map(({ shard, ageS, requestedBy }) =>
      finding('recoveryOpen', {
        subject: `shard ${shard}`,
        says: `${requestedBy} asked ${Math.round(ageS)} s ago for a recovery of shard ${shard}.`,
      }),
    ),
    ...words.map(({ org, count, ageS }) =>
      finding('outboxBacklog', {
        org,
        says: `${countText(count, 'change')} of ${org} not told to the meter yet, the oldest for ${Math.round(ageS)} s.`,
        figures: { count },
      }),
    ),
    ...decreases.map((org) =>
      finding('decreaseWaiting', {
        org,
        says: `What lowers the limits of ${org} waits, and no word of it is in the outbox.`,
      }),
    ),
  ];
  if (requests === 0) return found;
  const says = `${countText(requests, 'request')} with an idempotency key at work for more than ${MOST_AT_WORK_S} s.`;
  return [...found, finding('requestHeld', { subject: 'requests', says, figures: { requests } })];
}

export async function lookAtPassing({ database }: Stores): Promise<Seen> {
  const passing = await inSnapshot(database.sql, readPassing);
  return {
    looked: `recoveries asked for, ${countText(passing.outbox, 'change')} in the outbox, decreases, requests`,
    findings: judgePassing(passing),
  };
}
