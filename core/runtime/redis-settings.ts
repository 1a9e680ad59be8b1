import type { Redis } from 'ioredis';
import type { MeterConnection } from './meter-server.ts';

const ONE_OF_MANY =
  'This Redis is one of a cluster. Name some of its servers in REDIS_URL, with commas between them ' +
  '(of one alone: a comma behind it).';

interface Finding {
  what: string;
  fix: string;
}

const field = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];

/**
 * What is wrong with a Redis that counts money, from its INFO (hosted servers refuse CONFIG). Empty
 * when all is well.
 */
function findings(info: string): Finding[] {
  const found: Finding[] = [];
  const policy = field(info, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    found.push({
      what: `Redis may drop counters and jobs when memory is short (maxmemory-policy is ${policy}).`,
      fix: 'Set "maxmemory-policy noeviction".',
    });
  }
  if (field(info, 'aof_enabled') !== '1') {
    found.push({
      what: 'Redis forgets everything when it restarts (appendonly is no).',
      fix: 'Set "appendonly yes" and "appendfsync everysec".',
    });
  }
  return found;
}

async function readInfo(redis: Redis): Promise<string> {
  const sections = ['memory', 'persistence', 'cluster'];
  return (await Promise.all(sections.map((section) => redis.info(section)))).join('\r\n');
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
  const infos = await Promise.all(
    // One of a cluster that is missing now must not keep the others from being served.
    servers()
      .filter((server) => server.runId() !== null)
      .map(({ redis }) => readInfo(redis)),
  );
  const oneOfMany = infos.some((info) => !isCluster && field(info, 'cluster_enabled') === '1');
  if (oneOfMany) throw new Error(ONE_OF_MANY);
  const found = infos.flatMap(findings).map(({ what, fix }) => `${what} ${fix}`);
  const sentences = [...new Set(found)];
  if (sentences.length === 0 || development) return sentences;
  throw new Error(`${sentences.join(' ')} (DEVELOPMENT=1 accepts it as it is.)`);
}
