import { describe, expect, it } from 'vitest';
import { createLog, type LogLevel } from './log.ts';

function logTo(level: LogLevel = 'info') {
  const lines: string[] = [];
  const log = createLog({
    name: 'gateway-1',
    level,
    destination: { write: (it) => lines.push(it) },
  });
  return { log, lines };
}

describe('the log', () => {
  it('writes a JSON object a line, with level and process by name', () => {
    const { log, lines } = logTo();
    log.info({ session: 's1' }, 'a session began');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'info',
      name: 'gateway-1',
      session: 's1',
      msg: 'a session began',
    });
  });

  it('never shows what is secret by its name, however deep', () => {
    const { log, lines } = logTo();
    const secret = 'hush-1234';
    log.info({
      ticket: secret,
      checkpoint: { mac: secret },
      headers: { Authorization: secret, Cookie: secret, 'x-request-id': 'kept' },
      list: [{ apiKey: secret, webhookSecret: secret, password: secret, accessToken: secret }],
    });
    log.child({ ticket: `a"b ${secret}` }).warn('from a child');
    expect(lines.join('')).not.toContain(secret);
    expect(lines[0]).toContain('kept');
  });

  it('never shows what is secret by its form, within texts and errors', () => {
    const { log, lines } = logTo();
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJvcmciOiJkZW1vIn0.c2lnbmF0dXJl';
    log.error({ err: new Error(`refused ${jwt}`) }, `Bearer dev-key-7 at redis://me:pw99@host`);
    expect(lines[0]).not.toContain('c2lnbmF0dXJl');
    expect(lines[0]).not.toContain('dev-key-7');
    expect(lines[0]).not.toContain('pw99');
    expect(() => JSON.parse(lines[0]!)).not.toThrow();
  });

  it('shows the words of a statement or command that failed, never its values', () => {
    const { log, lines } = logTo();
    const secret = 'hush-1234\n    at nowhere';
    const cause = Object.assign(new Error('Failing row contains (1, hush-1234, 2).'), {
      detail: 'Failing row contains (1, hush-1234, 2).',
      parameters: [secret],
    });
    const query = 'select $1';
    const message = `Failed query: ${query}\nparams: ${secret}`;
    const failed = Object.assign(new Error(message, { cause }), { query, params: [secret] });
    log.error({ err: failed }, 'a request failed');
    const command = { name: 'auth', args: ['default', secret] };
    log.error({ err: Object.assign(new Error('WRONGPASS'), { command }) }, 'no Redis');
    expect(lines.join('')).not.toContain('hush-1234');
    expect(lines[0]).toContain('Failed query: select $1');
    expect(JSON.parse(lines[1]!).err).toMatchObject({ message: 'WRONGPASS', type: 'Error' });
  });

  it('survives an object that contains itself', () => {
    const { log, lines } = logTo();
    const ring: Record<string, unknown> = { name: 'ring' };
    ring.self = ring;
    log.info({ ring });
    expect(lines[0]).toContain('too deep');
  });

  it('keeps quiet below its level', () => {
    const { log, lines } = logTo('warn');
    log.info('no');
    log.warn('yes');
    expect(lines).toHaveLength(1);
  });
});
