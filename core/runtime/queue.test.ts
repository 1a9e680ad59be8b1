import { afterEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../local/test-eventually.ts';
import { startTestRedis } from '../../local/test-redis.ts';
import { createLog } from './log.ts';
import { openQueue, openWorker } from './queue.ts';
import type { Stoppable } from './stop.ts';

const log = createLog({ name: 'test', level: 'silent' });
const opened: Stoppable[] = [];
function keep<T extends Stoppable>(part: T): T {
  opened.push(part);
  return part;
}
afterEach(async () => {
  for (const part of opened.splice(0).reverse()) await part.stop();
});

interface Payload {
  minute: number;
}

describe('queue and worker', () => {
  it('hand over a job, try it again when it fails, and free its id when it is done', async () => {
    const { url } = keep(await startTestRedis());
    const name = 'settle';
    const { queue } = keep(openQueue<Payload>({ url, name, log }));
    await queue.waitUntilReady();
    const seen: string[] = [];
    keep(
      openWorker<Payload>({
        url,
        name,
        log,
        concurrency: 2,
        async handle(job) {
          seen.push(`${job.data.minute}/${job.attemptsMade}`);
          if (job.data.minute === 1 && job.attemptsMade === 0) throw new Error('once');
        },
      }),
    );
    await queue.add('minute', { minute: 1 }, { jobId: 'm-1' });
    await vi.waitFor(() => expect(seen).toEqual(['1/0', '1/1']), { timeout: 10_000 });
    await eventually(async () => expect(await queue.getJob('m-1')).toBeUndefined());
    await queue.add('minute', { minute: 2 }, { jobId: 'm-1' });
    await vi.waitFor(() => expect(seen).toContain('2/0'), { timeout: 10_000 });
  });

  it('refuse a job at once while Redis is away, and go on when it is back', async () => {
    const first = await startTestRedis();
    const name = 'settle';
    const { url } = first;
    const { queue } = keep(openQueue<Payload>({ url, name, log }));
    await queue.waitUntilReady();
    const seen: number[] = [];
    keep(
      openWorker<Payload>({
        url,
        name,
        log,
        concurrency: 1,
        async handle(job) {
          seen.push(job.data.minute);
        },
      }),
    );
    await first.stop();
    await eventually(() => expect(queue.add('minute', { minute: 1 })).rejects.toThrow());
    opened.unshift(await startTestRedis({ dataDir: first.dataDir, port: first.port }));
    await vi.waitFor(() => queue.add('minute', { minute: 2 }), { timeout: 10_000 });
    await vi.waitFor(() => expect(seen).toContain(2), { timeout: 10_000 });
  });
});
