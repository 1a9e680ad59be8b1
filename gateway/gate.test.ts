import { describe, expect, it } from 'vitest';
import { createGatekeeper, type GateOptions } from './gate.ts';

let now = 0;
const keeper = (more: Partial<GateOptions> = {}) =>
  createGatekeeper({
    ...{ allowedOrigins: ['https://app.example'], development: false },
    ...{ maxSockets: 100, maxSocketsPerAddress: 3, monotonicMs: () => now },
    ...more,
  });
const HERE = '203.0.113.7';

describe('an origin', () => {
  it('on the list may connect, and so may who is no browser', () => {
    expect(keeper().gate('https://app.example', HERE)).toBeNull();
    expect(keeper().gate(null, HERE)).toBeNull();
  });

  it.each([
    'https://evil.example',
    'http://app.example',
    'https://app.example:8443',
    'https://app.example.evil.example',
    'https://sub.app.example',
    'null',
    '',
    'http://localhost:3000',
  ])('%j may not, and is told how it could', (origin) => {
    const refused = keeper().gate(origin, HERE);
    expect(refused?.status).toBe(403);
    expect(refused?.reason).toContain('ALLOWED_ORIGINS');
  });

  it.each([
    ['http://localhost:3000', null],
    ['http://127.0.0.1', null],
    ['http://[::1]:8080', null],
    ['http://localhost.evil.example', 403],
    ['http://127.0.0.1.evil.example', 403],
    ['nonsense', 403],
  ])('of this machine (%s) is exempt in development', (origin, status) => {
    expect(keeper({ development: true }).gate(origin, HERE)?.status ?? null).toBe(status);
  });
});

describe('sockets', () => {
  it('are limited per address', () => {
    const it = keeper();
    for (let i = 0; i < 3; i++) it.entered(HERE);
    expect(it.gate(null, HERE)?.status).toBe(503);
    expect(it.gate(null, '203.0.113.8')).toBeNull();
    it.left(HERE);
    expect(it.gate(null, HERE)).toBeNull();
  });

  it('of an address that has them all elsewhere are refused for a second', () => {
    const it = keeper();
    it.full(HERE);
    expect(it.gate(null, HERE)?.status).toBe(503);
    expect(it.gate(null, '203.0.113.8')).toBeNull();
    now += 1_000;
    expect(it.gate(null, HERE)).toBeNull();
    const local = keeper({ development: true });
    local.full('127.0.0.1');
    expect(local.gate(null, '127.0.0.1')).toBeNull();
  });

  it('of one network of IPv6 are counted together', () => {
    const it = keeper();
    for (let i = 0; i < 3; i++) it.entered(`2001:db8::${i}`);
    expect(it.gate(null, '2001:db8::ffff')?.status).toBe(503);
    expect(it.gate(null, '2001:db8:0:1::1')).toBeNull();
  });

  it('are limited in all', () => {
    const it = keeper({ maxSockets: 5 });
    for (let i = 0; i < 5; i++) it.entered(`203.0.113.${i}`);
    expect(it.sockets).toBe(5);
    expect(it.gate(null, HERE)).toMatchObject({ status: 503 });
  });

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1'])(
    'of %s have no limit of their own in development, and have one in production',
    (address) => {
      for (const development of [true, false]) {
        const it = keeper({ development });
        for (let i = 0; i < 9; i++) it.entered(address);
        expect(it.gate(null, address)?.status ?? null).toBe(development ? null : 503);
      }
    },
  );

  it('are let in no more while draining', () => {
    const it = keeper();
    it.drain();
    expect(it.gate('https://app.example', HERE)).toMatchObject({ status: 503 });
    expect(it.reason(null, HERE)?.code).toBe('draining');
  });

  it('leave nothing behind', () => {
    const it = keeper({ maxSocketsPerAddress: 1 });
    for (let i = 0; i < 1_000; i++) {
      it.entered(`10.0.${i >> 8}.${i & 255}`);
      it.left(`10.0.${i >> 8}.${i & 255}`);
    }
    expect(it.sockets).toBe(0);
    expect(it.gate(null, '10.0.0.0')).toBeNull();
  });
});
