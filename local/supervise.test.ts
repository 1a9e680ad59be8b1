import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, inject, it, vi } from 'vitest';
import { startChild } from './child.ts';
import { supervise } from './supervise.ts';
import { eventually } from './test-eventually.ts';

function parts(stableMs: number, code = 'setInterval(() => {}, 1000)') {
  const said: string[] = [];
  const hopeless: string[] = [];
  const logPath = join(inject('runFolder'), `supervise-${randomBytes(4).toString('hex')}.log`);
  return {
    said,
    hopeless,
    options: {
      name: 'gateway-1',
      logPath,
      stableMs,
      start: () =>
        startChild({
          name: 'gateway-1',
          command: process.execPath,
          args: ['-e', `console.log('hello'); ${code}`],
          logPath,
          stopSignal: 'SIGTERM',
          patienceMs: 2_000,
        }),
      say: (line: string) => said.push(line),
      onHopeless: (sentence: string) => hopeless.push(sentence),
    },
  };
}

describe('a supervised process', () => {
  it('is started again after it died, and the death is reported', async () => {
    const { options, said, hopeless } = parts(0);
    const gateway = await supervise(options);
    const first = gateway.pid();
    process.kill(first, 'SIGKILL');
    await vi.waitFor(() => expect(gateway.pid()).not.toBe(first), 10_000);
    expect(said[0]).toContain(`gateway-1 (process ${first}) was ended by SIGKILL`);
    await gateway.stop();
    expect(hopeless).toEqual([]);
  });

  it('is given up, with its last words, when it dies as soon as it was started', async () => {
    const { options, hopeless } = parts(60_000, 'process.exit(7)');
    const gateway = await supervise(options);
    await eventually(() => expect(hopeless).toHaveLength(1));
    expect(hopeless[0]).toMatch(/ended with exit code 7[\s\S]*hello/);
    await gateway.stop();
  });

  it('stays stopped once it was stopped', async () => {
    const { options, said, hopeless } = parts(0);
    const gateway = await supervise(options);
    await gateway.stop();
    expect([said, hopeless]).toEqual([[], []]);
  });
});
