import { describe, expect, it } from 'vitest';
import { HELP, type LoadFlags, parseFlags } from './flags.ts';

const read = (...args: string[]) => parseFlags(args) as LoadFlags;

describe('the flags of the load test', () => {
  it('have defaults', () => {
    expect(read()).toMatchObject({
      sessions: 200,
      organizations: 20,
      gateways: 2,
      seed: 1,
      urls: [],
    });
    // Ten sessions of 30 s on one budget, of which 60 %.
    expect(read().limitSeconds).toBe(180);
  });

  it('take a preset, and what is given beside it', () => {
    expect(read('--preset', 'limit')).toMatchObject({ limitSeconds: 30, intervalMs: 30_000 });
    expect(read('--preset', 'thousand', '--seconds', '5')).toMatchObject({
      sessions: 1_000,
      seconds: 5,
    });
  });

  it('say what is wrong with a value', () => {
    expect(() => read('--sessions', 'many')).toThrow('--sessions must be a number');
    expect(() => read('--sessions', '1.5')).toThrow('"1.5"');
    expect(() => read('--limited', '2')).toThrow('from 0 to 1');
    expect(() => read('--preset', 'x')).toThrow('limit or thousand');
    expect(() => read('--nothing')).toThrow('--help');
    expect(() => read('--sessions', '0')).toThrow('no load');
  });

  it('are all in the help', () => {
    expect(parseFlags(['--help'])).toBe('help');
    for (const flag of ['url', 'api-key', 'json', 'report', 'keep', 'generators', 'cluster']) {
      expect(HELP).toContain(`--${flag}`);
    }
  });
});
