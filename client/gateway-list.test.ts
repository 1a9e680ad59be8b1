import { expect, it } from 'vitest';
import { askUrl, GatewayList } from './gateway-list.ts';

it.each([
  ['https://meter.example', 'wss://meter.example/v1/connect'],
  ['http://127.0.0.1:8787/', 'ws://127.0.0.1:8787/v1/connect'],
  ['ws://127.0.0.1:8787/v1/connect', 'ws://127.0.0.1:8787/v1/connect'],
  ['wss://meter.example/eu/connect', 'wss://meter.example/eu/connect'],
])('takes %s for %s', (address, url) => {
  expect(new GatewayList([address]).current()).toBe(url);
});

it('takes the gateways in turn', () => {
  const list = new GatewayList(['ws://a', 'ws://b']);
  const seen = [0, 1, 2].map(() => {
    const url = new URL(list.current()).hostname;
    list.advance();
    return url;
  });
  expect(seen).toEqual(['a', 'b', 'a']);
});

it('learns an address only where it was given none', () => {
  const given = new GatewayList(['ws://a']);
  given.learn('ws://b');
  expect(given.current()).toMatch(/^ws:\/\/a\//);
  const empty = new GatewayList([]);
  expect(() => empty.current()).toThrow(/give `urls`/);
  empty.learn('ws://b');
  expect(empty.current()).toMatch(/^ws:\/\/b\//);
});

it('asks for reasons where it connects', () => {
  expect(askUrl('wss://meter.example/v1/connect')).toBe('https://meter.example/v1/connect');
  expect(askUrl('ws://localhost:1/v1/connect')).toBe('http://localhost:1/v1/connect');
});
