import { describe, expect, it } from 'vitest';
import { flag, integer, list, port, positiveNumber, readEnv, url } from './env.ts';

const SHAPE = {
  PORT: port().default(8787),
  SPEED: positiveNumber(1_000).default(1),
  DEVELOPMENT: flag().default(false),
  ALLOWED_ORIGINS: list().default([]),
  TICK_INTERVAL_MS: integer(100, 60_000).optional(),
  REDIS_URL: url('redis', 'rediss'),
};

describe('configuration from the environment', () => {
  it('reads each variable in its type, and takes an empty one for not set', () => {
    const config = readEnv(SHAPE, {
      PORT: '',
      SPEED: '60',
      DEVELOPMENT: '1',
      ALLOWED_ORIGINS: 'https://a.example, https://b.example,',
      REDIS_URL: 'redis://127.0.0.1:6379',
      UNRELATED: 'x',
    });
    expect(config).toEqual({
      PORT: 8787,
      SPEED: 60,
      DEVELOPMENT: true,
      ALLOWED_ORIGINS: ['https://a.example', 'https://b.example'],
      REDIS_URL: 'redis://127.0.0.1:6379',
    });
  });

  it('lists everything that is wrong, with the values', () => {
    const wrong = { PORT: '80.5', SPEED: '-1', DEVELOPMENT: 'maybe', TICK_INTERVAL_MS: '99' };
    expect(() => readEnv(SHAPE, wrong)).toThrowError(
      [
        "The configuration can't be used:",
        '  PORT: "80.5" must be a whole number from 0 to 65535',
        '  SPEED: "-1" must be a number above 0, up to 1000',
        '  DEVELOPMENT: "maybe" must be 1 or 0',
        '  TICK_INTERVAL_MS: "99" must be a whole number from 100 to 60000',
        '  REDIS_URL is not set: it is needed',
      ].join('\n'),
    );
  });

  it('does not show an address or a secret that is wrong', () => {
    const attempt = () => readEnv(SHAPE, { REDIS_URL: 'http://me:hunter2@host' });
    expect(attempt).toThrow('REDIS_URL: what is set must be an address that begins with redis://');
    expect(attempt).not.toThrow('hunter2');
  });
});
