import type { Redis } from 'ioredis';
import { countText } from '../../worker/ledger/check/count-text.ts';
import { type Finding, finding } from '../../worker/ledger/check/finding.ts';
import type { Seen } from './examination.ts';
import type { Stores } from './stores.ts';

/** Share of what Redis may use, above which it is short of memory. */
const MOST_MEMORY = 0.8;
const MOST_CLIENTS = 0.8;
const MOST_LAG_S = 10;
/** Within which a boundary of a period is believed (rule 20 in core/meter/README.md). */
export const MOST_CLOCK_DIFFERENCE_MS = 2_000;

const field = (info: string, name: string): string =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
const MEGABYTE = 1024 * 1024;
const megabytes = (bytes: number) => `${(bytes / MEGABYTE).toFixed(1)} MB`;

/** What INFO says of one server (hosted ones refuse CONFIG). */
export function judgeRedis(subject: string, info: string): Finding[] {
  const found: Finding[] = [];
  const add = (code: Parameters<typeof finding>[0], says: string, figures = {}) =>
    found.push(finding(code, { subject, says: `Redis ${subject}: ${says}`, figures }));
  const number = (name: string) => Number(field(info, name) || Number.NaN);

  const policy = field(info, 'maxmemory_policy');
  if (policy !== 'noeviction') add('redisEviction', `maxmemory-policy is ${policy}.`);
  if (field(info, 'aof_enabled') !== '1') {
    add('redisPersistence', 'appendonly is no: nothing is kept over a restart.');
  } else if (field(info, 'aof_last_write_status') === 'err') {
    add('redisPersistence', 'the append-only file could not be written.');
  }
  const used = number('used_memory');
  const most = number('maxmemory') || number('total_system_memory');
  if (used > most * MOST_MEMORY) {
    add('redisMemory', `${megabytes(used)} of ${megabytes(most)} are used.`, { used, most });
  }
  const clients = number('connected_clients');
  const maxClients = number('maxclients');
  if (clients > maxClients * MOST_CLIENTS) {
    add('redisClients', `${clients} of ${maxClients} connections are used.`, { clients });
  }
  if (field(info, 'role') === 'slave') {
    add('redisReplication', 'this is a replica; it can be read, and nothing can be counted on it.');
  }
  for (const [, line] of info.matchAll(/^slave\d+:(.*?)\r?$/gm)) {
    const lagS = Number(/lag=(\d+)/.exec(line!)?.[1] ?? 0);
    if (line!.includes('state=online') && lagS <= MOST_LAG_S) continue;
    add('redisReplication', `its replica (${line}) lags or is not connected.`, { lagS });
  }
  return found;
}

async function readInfo(redis: Redis): Promise<string> {
  const sections = ['memory', 'persistence', 'clients', 'replication', 'stats', 'server'];
  return (await Promise.all(sections.map((section) => redis.info(section)))).join('\r\n');
}

export async function lookAtRedis({ redis }: Stores): Promise<Seen> {
  await redis.ready();
  const servers = redis.servers();
  const infos = await Promise.all(servers.map((server) => readInfo(server.redis)));
  const findings = infos.flatMap((info) => judgeRedis(`on port ${field(info, 'tcp_port')}`, info));
  const first = infos[0]!;
  const used = infos.reduce((sum, info) => sum + Number(field(info, 'used_memory')), 0);
  const kept = field(first, 'aof_enabled') === '1' ? 'append-only file on' : 'nothing kept';
  const looked = `${countText(servers.length, 'server')} of version ${field(first, 'redis_version')}, ${kept}, ${field(first, 'maxmemory_policy')}, ${megabytes(used)} used`;
  return { looked, findings };
}

export interface ClockReading {
  name: string;
  /** its wall clock less ours, at the middle of the call; as far off as half the call took */
  aheadMs: number;
  errorMs: number;
}

export function judgeClocks(readings: readonly ClockReading[]): Finding[] {
  const all = [{ name: 'this machine', aheadMs: 0, errorMs: 0 }, ...readings];
  return all.flatMap((a, i) =>
    all.slice(i + 1).flatMap((b) => {
      const apartMs = Math.abs(a.aheadMs - b.aheadMs) - a.errorMs - b.errorMs;
      if (apartMs <= MOST_CLOCK_DIFFERENCE_MS) return [];
      const says = `The clocks of ${a.name} and ${b.name} are ${Math.round(apartMs)} ms apart.`;
      const subject = `${a.name}, ${b.name}`;
      return [finding('clockDifference', { subject, says, figures: { apartMs } })];
    }),
  );
}

async function readClockOf(name: string, ask: () => Promise<number>): Promise<ClockReading> {
  const before = Date.now();
  const at = await ask();
  const after = Date.now();
  return { name, aheadMs: at - (before + after) / 2, errorMs: (after - before) / 2 + 1 };
}

export async function lookAtClocks({ redis, database }: Stores): Promise<Seen> {
  const ofRedis = redis.servers().map((server, i) =>
    readClockOf(`Redis ${i + 1}`, async () => {
      const [seconds, microseconds] = await server.redis.time();
      return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    }),
  );
  const ofPostgres = readClockOf('Postgres', async () => {
    const [row] = await database.sql<{ at: number }[]>`
      select (extract(epoch from clock_timestamp()) * 1000)::float8 as at`;
    return row!.at;
  });
  const readings = await Promise.all([...ofRedis, ofPostgres]);
  const apart = readings
    .map(({ name, aheadMs }) => `${name} by ${Math.round(aheadMs)} ms`)
    .join(', ');
  return { looked: `against this machine: ${apart}`, findings: judgeClocks(readings) };
}
