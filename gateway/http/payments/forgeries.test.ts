import { expect, it } from 'vitest';
import { createForgeries, MOST_FORGERIES } from './forgeries.ts';

const AT = Date.UTC(2026, 4, 20);

it('refuses an address after so many failures, one a second from then on, and no other one', () => {
  const forgeries = createForgeries();
  for (let i = 0; i < MOST_FORGERIES; i++) {
    expect(forgeries.waitSeconds('203.0.113.7', AT)).toBe(0);
    forgeries.failed('203.0.113.7', AT);
  }
  expect(forgeries.waitSeconds('203.0.113.7', AT)).toBe(1);
  expect(forgeries.waitSeconds('203.0.113.8', AT)).toBe(0);
  expect(forgeries.waitSeconds('203.0.113.7', AT + 1_000)).toBe(0);
  forgeries.failed('203.0.113.7', AT + 1_000);
  expect(forgeries.waitSeconds('203.0.113.7', AT + 1_000)).toBe(1);
  expect(forgeries.waitSeconds('203.0.113.7', AT + 3_600_000)).toBe(0);
});

it('never refuses an address from which a good one came, for a day', () => {
  const forgeries = createForgeries();
  forgeries.proved('2001:db8::1', AT);
  for (let i = 0; i < 2 * MOST_FORGERIES; i++) forgeries.failed('2001:db8::2', AT);
  expect(forgeries.waitSeconds('2001:db8::3', AT)).toBe(0);
  expect(forgeries.waitSeconds('2001:db8::3', AT + 24 * 3_600_000 - 1)).toBe(0);
  for (let i = 0; i <= MOST_FORGERIES; i++) {
    forgeries.failed('2001:db8::2', AT + 24 * 3_600_000);
  }
  expect(forgeries.waitSeconds('2001:db8::3', AT + 24 * 3_600_000)).toBeGreaterThan(0);
});

it('remembers no more addresses than it has room for', () => {
  const forgeries = createForgeries();
  for (let i = 0; i < MOST_FORGERIES; i++) forgeries.failed('203.0.113.7', AT);
  for (let i = 0; i < 10_000; i++) forgeries.failed(`10.0.${i >> 8}.${i & 255}`, AT);
  expect(forgeries.waitSeconds('203.0.113.7', AT)).toBe(0);
});
