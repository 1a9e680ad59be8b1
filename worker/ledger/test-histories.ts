/** Random lives of one purchase: what Stripe tells, doubled and out of order, and what is used meanwhile. */
import type { Dice } from '../../core/meter/schedule.ts';
import type { Fact } from '../../payments/facts.ts';

export type HistoryStep =
  | { do: 'fact'; fact: Fact }
  | { do: 'use'; ms: number }
  /** by an adjustment */
  | { do: 'takeBack'; ms: number }
  | { do: 'endHold' }
  | { do: 'carryOut' };

export interface History {
  grantedMs: number;
  amountCents: number;
  /** lent from the start; 0: nothing */
  holdMs: number;
  steps: HistoryStep[];
}

const REFUND_LIVES = [
  ['succeeded'],
  ['pending', 'succeeded'],
  ['pending', 'failed'],
  ['pending', 'requiresAction', 'canceled'],
  ['succeeded', 'failed'],
] as const;
const DISPUTE_LIVES = [
  ['inquiry', 'inquiryClosed'],
  ['inquiry', 'open', 'won'],
  ['open'],
  ['open', 'lost'],
  ['open', 'won'],
  ['open', 'lost', 'won'],
] as const;
const STATUS_LIVES = [
  ['open', 'paid'],
  ['open', 'requiresAction', 'processing', 'paid'],
  ['processing', 'failed', 'processing', 'paid'],
  ['open', 'canceled'],
  ['processing', 'failed'],
] as const;

export function historyOf(dice: Dice): History {
  const grantedMs = dice.pick([1, 59_999, 600_000, 36_000_000]);
  const amountCents = dice.pick([1, 999, 1000, 5999]);
  const facts = [
    ...statusFacts(dice, amountCents),
    ...refundFacts(dice, amountCents),
    ...disputeFacts(dice, amountCents),
  ];
  const twice = facts.filter(() => dice.chance(0.4));
  const steps = [...facts, ...twice].map((fact): HistoryStep => ({ do: 'fact', fact }));
  // Half of them come about as they happened, the others in any order.
  if (dice.chance(0.5)) shuffle(steps, dice);
  const holdMs = dice.chance(0.3) ? 1 + dice.below(grantedMs) : 0;
  for (let i = 2 + dice.below(6); i > 0; i--)
    steps.splice(dice.below(steps.length + 1), 0, other());
  return { grantedMs, amountCents, holdMs, steps };

  function other(): HistoryStep {
    const ms = 1 + dice.below(grantedMs);
    return dice.pick<HistoryStep>([
      { do: 'use', ms },
      { do: 'use', ms },
      { do: 'carryOut' },
      { do: 'carryOut' },
      { do: 'takeBack', ms },
      { do: 'endHold' },
    ]);
  }
}

function statusFacts(dice: Dice, cents: number): Fact[] {
  let at = 1_000_000;
  return dice.pick<(typeof STATUS_LIVES)[number]>(STATUS_LIVES).map((status) => {
    at += dice.pick([0, 1000, 5000]);
    return { kind: 'status', status, at, failure: null, cents, currency: 'usd' };
  });
}

/** Some of them together more than was paid, which Stripe would not do, and nobody must gain by. */
function refundFacts(dice: Dice, amountCents: number): Fact[] {
  const facts: Fact[] = [];
  let refundedCents = 0;
  for (let i = dice.below(4); i > 0; i--) {
    const cents = dice.pick([1, Math.ceil(amountCents / 3), amountCents]);
    const life = dice.pick<(typeof REFUND_LIVES)[number]>(REFUND_LIVES);
    for (const status of life) {
      facts.push({ kind: 'refund', id: `re_${i}`, cents: retold(dice, cents), status });
    }
    refundedCents += cents;
    if (dice.chance(0.7)) facts.push({ kind: 'charge', refundedCents });
  }
  return facts;
}

/** Now and then another amount than before. */
const retold = (dice: Dice, cents: number) => (dice.chance(0.1) ? Math.ceil(cents / 2) : cents);

function disputeFacts(dice: Dice, amountCents: number): Fact[] {
  const facts: Fact[] = [];
  for (let i = dice.pick([0, 0, 1, 1, 2]); i > 0; i--) {
    const cents = dice.pick([Math.ceil(amountCents / 2), amountCents]);
    for (const status of dice.pick<(typeof DISPUTE_LIVES)[number]>(DISPUTE_LIVES)) {
      const of = { id: `dp_${i}`, cents: retold(dice, cents), currency: 'usd' };
      facts.push({ kind: 'dispute', ...of, status, reason: null });
    }
  }
  return facts;
}

export function shuffle<T>(items: T[], dice: Dice): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = dice.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
