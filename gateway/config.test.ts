import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';

const SECRET = 'a'.repeat(32);
const base = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  DATABASE_URL: 'postgres://taximeter@127.0.0.1:5432/taximeter',
  TICKET_SECRETS: SECRET,
  CHECKPOINT_SECRETS: 'c'.repeat(32),
};

it('has a default for whatever is not secret and no address', () => {
  expect(readConfig(base)).toMatchObject({
    ...{ port: 8787, processes: 1, operationsPort: 8788, intervalMs: 5_000, timeoutMs: 15_000 },
    ...{ resumeWindowMs: 120_000, development: false, allowedOrigins: [] },
    ...{ maxSocketsPerAddress: 2_000, publicWsUrl: null, spoolFolder: null },
    links: { buyUrl: null, upgradeUrl: null },
  });
});

it('says all that is wrong at once, by the names of the variables', () => {
  const wrong = { ...base, REDIS_URL: 'http://x', PORT: 'eighty', TICK_INTERVAL_MS: '5' };
  expect(() => readConfig(wrong)).toThrow(/REDIS_URL[\s\S]*PORT[\s\S]*TICK_INTERVAL_MS/);
  expect(() => readConfig({})).toThrow(/REDIS_URL[\s\S]*DATABASE_URL/);
});

it('refuses a window to resume in which a recorder may be silent, and says which one would do', () => {
  expect(() => readConfig({ ...base, RESUME_WINDOW_MS: '19999' })).toThrow(
    /RESUME_WINDOW_MS is 19999, .*5000 \+ 15000 ms.*Set RESUME_WINDOW_MS=20000 or more/,
  );
  expect(readConfig({ ...base, RESUME_WINDOW_MS: '20000' })).toMatchObject({
    resumeWindowMs: 20_000,
  });
  const slow = { ...base, TICK_INTERVAL_MS: '60000', BEAT_TIMEOUT_MS: '61000' };
  expect(() => readConfig(slow)).toThrow(/RESUME_WINDOW_MS is 120000.*=121000 or more/);
});

describe('secrets', () => {
  it('are lists, the present one first', () => {
    const config = readConfig({ ...base, TICKET_SECRETS: `${'b'.repeat(40)}, ${SECRET}` });
    expect(config.ticketSecrets).toEqual(['b'.repeat(40), SECRET]);
  });

  it.each(['TICKET_SECRETS', 'CHECKPOINT_SECRETS'])('%s must be set in production', (name) => {
    const { [name as 'TICKET_SECRETS']: _, ...without } = base;
    expect(() => readConfig(without)).toThrow(new RegExp(`${name} is not set`));
    expect(() => readConfig({ ...without, DEVELOPMENT: '1' })).not.toThrow();
  });

  it('that are short are refused, without being shown', () => {
    const short = 'too-short-a-secret';
    expect(() => readConfig({ ...base, TICKET_SECRETS: `${SECRET},${short}` })).toThrow(
      /32 characters, and one has 18/,
    );
    expect(() => readConfig({ ...base, TICKET_SECRETS: short })).not.toThrow(short);
  });

  it('for development are refused in production', () => {
    const [secret] = readConfig({ ...base, TICKET_SECRETS: '', DEVELOPMENT: '1' }).ticketSecrets;
    expect(() => readConfig({ ...base, TICKET_SECRETS: secret })).toThrow(/everybody knows/);
    const older = `${'d'.repeat(32)},${secret}`;
    expect(() => readConfig({ ...base, CHECKPOINT_SECRETS: older })).toThrow(/everybody knows/);
    expect(() => readConfig({ ...base, RECEIPT_KEYS: older })).toThrow(/everybody knows/);
  });

  it('of receipts may be left out in production: then none are given out', () => {
    expect(readConfig(base).receiptKeys).toBeNull();
    const [secret] = readConfig({ ...base, DEVELOPMENT: '1' }).receiptKeys!;
    expect(() => readConfig({ ...base, RECEIPT_KEYS: secret })).toThrow(/everybody knows/);
    expect(() => readConfig({ ...base, RECEIPT_KEYS: SECRET })).toThrow(/secret in common/);
  });
});
