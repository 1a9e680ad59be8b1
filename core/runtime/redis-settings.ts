import type { Redis } from 'ioredis';
import type { MeterConnection } from './meter-server.ts';
import { requireSafe, type Unsafe } from './unsafe.ts';

const ONE_OF_MANY: Unsafe = {
  what: 'This Redis is one of a cluster.',
  fix:
    'Name some of its servers in REDIS_URL, with commas between them (of one alone: a comma ' +
    'behind it).',
  always: true,
};
const MINIMUM_VERSION = [6, 2] as const;

const field = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = MINIMUM_VERSION;
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

/**
 * What is wrong with a Redis that counts money. Empty when all is well.
 * @param info its INFO, which every hosted server answers
 * @param appendFsync its setting, null where CONFIG is refused
 */
export function judgeRedis(info: string, appendFsync: string | null): Unsafe[] {
  const found: Unsafe[] = [];
  const version = field(info, 'redis_version') ?? '0';
  if (isOld(version)) {
    found.push({
      what: `This Redis is version ${version}.`,
      fix: `Use ${MINIMUM_VERSION.join('.')} or newer.`,
      always: true,
    });
  }
  if (field(info, 'role') === 'slave') {
    found.push({
      what: 'This Redis is a replica, on which nothing can be written.',
      fix: 'Name its primary in REDIS_URL.',
      always: true,
    });
  }
  const policy = field(info, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    found.push({
      what: `Redis may drop counters and jobs when memory is short (maxmemory-policy is ${policy}).`,
      fix: 'Set "maxmemory-policy noeviction".',
      always: false,
    });
  }
  if (field(info, 'aof_enabled') !== '1') {
    found.push({
      what: 'Redis forgets everything when it restarts (appendonly is no).',
      fix: 'Set "appendonly yes" and "appendfsync everysec".',
      always: false,
    });
  } else if (appendFsync === 'no') {
    found.push({
      what: 'Redis may forget half a minute when its machine fails (appendfsync is no).',
      fix: 'Set "appendfsync everysec".',
      always: false,
    });
  } else if (field(info, 'aof_last_write_status') === 'err') {
    found.push({
      what: 'Redis can not write its append-only file.',
      fix: 'Give its disk room, or its folder back to it.',
      always: false,
    });
  }
  return found;
}

async function readInfo(redis: Redis): Promise<string> {
  const sections = ['server', 'memory', 'persistence', 'replication', 'cluster'];
  return (await Promise.all(sections.map((section) => redis.info(section)))).join('\r\n');
}

/** null where it is not told: hosted servers refuse CONFIG. */
async function readAppendFsync(redis: Redis): Promise<string | null> {
  try {
    const reply = await redis.config('GET', 'appendfsync');
    return Array.isArray(reply) ? String(reply[1] ?? '') || null : null;
  } catch {
    return null;
  }
}

/**
 * Refuses a Redis on which metered time could get lost. With `development` it is accepted, and the
 * sentences are returned to be logged as warnings.
 * @throws Error with what is wrong and the setting that puts it right.
 */
export async function checkRedisSettings(
  { isCluster, servers }: Pick<MeterConnection, 'isCluster' | 'servers'>,
  { development }: { development: boolean },
): Promise<string[]> {
  const found = await Promise.all(
    // One of a cluster that is missing now must not keep the others from being served.
    servers()
      .filter((server) => server.runId() !== null)
      .map(async ({ redis }) => {
        const [info, appendFsync] = await Promise.all([readInfo(redis), readAppendFsync(redis)]);
        if (!isCluster && field(info, 'cluster_enabled') === '1') return [ONE_OF_MANY];
        return judgeRedis(info, appendFsync);
      }),
  );
  return requireSafe(found.flat(), development);
}
