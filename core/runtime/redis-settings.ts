import type { Redis } from 'ioredis';

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

/**
 * Refuses a Redis on which metered time could get lost. With `development` it is accepted, and the
 * sentences are returned to be logged as warnings.
 * @throws Error with what is wrong and the setting that puts it right.
 */
export async function checkRedisSettings(
  redis: Redis,
  { development }: { development: boolean },
): Promise<string[]> {
  const [memory, persistence] = await Promise.all([
    redis.info('memory'),
    redis.info('persistence'),
  ]);
  const sentences = findings(`${memory}\r\n${persistence}`).map(
    ({ what, fix }) => `${what} ${fix}`,
  );
  if (sentences.length === 0 || development) return sentences;
  throw new Error(`${sentences.join(' ')} (DEVELOPMENT=1 accepts it as it is.)`);
}
