import { describe, expect, it } from 'vitest';
import { createLog } from './log.ts';
import { createStopList } from './stop.ts';

function stopList(deadlineMs = 5_000) {
  const lines: string[] = [];
  const codes: number[] = [];
  const log = createLog({
    name: 'test',
    level: 'info',
    destination: { write: (l) => lines.push(l) },
  });
  const list = createStopList({ log, deadlineMs, exit: (code) => codes.push(code) });
  return { list, lines, codes };
}

describe('stopping a process', () => {
  it('stops the last started first, one after the other, and only once', async () => {
    const { list } = stopList();
    const order: string[] = [];
    for (const name of ['redis', 'hub', 'server']) {
      list.add(name, {
        async stop() {
          order.push(`${name} begins`);
          await new Promise((resolve) => setTimeout(resolve, 5));
          order.push(`${name} ends`);
        },
      });
    }
    expect(await Promise.all([list.stop('test'), list.stop('again')])).toEqual([true, true]);
    expect(order).toEqual([
      'server begins',
      'server ends',
      'hub begins',
      'hub ends',
      'redis begins',
      'redis ends',
    ]);
  });

  it('goes on after a part that fails, and says which', async () => {
    const { list, lines } = stopList();
    let redisStopped = false;
    list.add('redis', {
      async stop() {
        redisStopped = true;
      },
    });
    list.add('hub', { stop: () => Promise.reject(new Error('no')) });
    expect(await list.stop('test')).toBe(false);
    expect(redisStopped).toBe(true);
    expect(lines.join('')).toContain('"part":"hub"');
  });

  it('gives up at the deadline and names the part that hangs', async () => {
    const { list, lines } = stopList(30);
    list.add('hub', { stop: () => new Promise(() => {}) });
    expect(await list.stop('test')).toBe(false);
    expect(lines.join('')).toContain('"part":"hub"');
  });

  it('ends at once on a second signal', async () => {
    const { list, codes } = stopList();
    let finish = () => {};
    list.add('hub', { stop: () => new Promise<void>((resolve) => (finish = resolve)) });
    const release = list.onSignals();
    process.emit('SIGTERM', 'SIGTERM');
    await Promise.resolve();
    expect(codes).toEqual([]);
    process.emit('SIGINT', 'SIGINT');
    expect(codes).toEqual([1]);
    finish();
    await list.stop('wait');
    await Promise.resolve();
    expect(codes).toEqual([1, 0]);
    release();
  });
});
