import { describe, expect, it } from 'vitest';
import type { Fact } from './facts.ts';
import { lotTarget } from './lot-target.ts';
import { mergeFact, type PaymentFacts } from './merge-fact.ts';
import { FULL_STORY, STARTED, type Story } from './test-stories.ts';

/** Of the state as of a value: refunds and disputes have no order. */
const textOf = (known: PaymentFacts) =>
  JSON.stringify({
    ...known,
    refunds: [...known.refunds].sort((a, b) => (a.id < b.id ? -1 : 1)),
    disputes: [...known.disputes].sort((a, b) => (a.id < b.id ? -1 : 1)),
  });

const heardIn = (facts: readonly Fact[]) => facts.reduce(mergeFact<PaymentFacts>, STARTED);

/**
 * All orders of all events at once, each heard any number of times at any place: for each set of events
 * every way to have heard exactly these ends in one state, and what is in the set changes nothing.
 */
function stateOfEach({ facts }: Story): PaymentFacts[] {
  const states: PaymentFacts[] = [STARTED];
  for (let heard = 1; heard < 1 << facts.length; heard++) {
    for (const [i, fact] of facts.entries()) {
      if ((heard & (1 << i)) === 0) continue;
      const state = mergeFact(states[heard ^ (1 << i)]!, fact);
      const known = states[heard];
      if (known === undefined) states[heard] = state;
      else if (textOf(known) !== textOf(state)) {
        throw new Error(`${JSON.stringify(fact)} last: ${textOf(state)}, not ${textOf(known)}`);
      }
    }
    for (const [i, fact] of facts.entries()) {
      const state = states[heard]!;
      if ((heard & (1 << i)) === 0 || mergeFact(state, fact) === state) continue;
      throw new Error(`${JSON.stringify(fact)} again: ${textOf(mergeFact(state, fact))}`);
    }
  }
  return states;
}

describe.each(FULL_STORY)('all events of a purchase: $title', (story) => {
  it('in every order, and however often, leave the same lot', () => {
    const states = stateOfEach(story);
    expect(states).toHaveLength(1 << story.facts.length);
    expect(lotTarget(states.at(-1)!)).toEqual(story.lot);
    // As Stripe sends them; once more by hand, lest the above be wrong of itself.
    expect(textOf(heardIn(story.facts))).toBe(textOf(states.at(-1)!));
    expect(textOf(heardIn([...story.facts, ...story.facts].reverse()))).toBe(
      textOf(states.at(-1)!),
    );
  });
});

it('reverses no millisecond more than its part, of however many and however dear minutes', () => {
  const [grantedMs, amountCents] = [3_907_812_300_000, 1_712_380_278];
  const refunds = [{ id: 're_1', cents: 1_270_581_801, status: 'succeeded' }] as const;
  const state = { ...STARTED, status: 'paid', grantedMs, amountCents, refunds } as const;
  expect(lotTarget(state)!.reversedMs).toBe(2_899_586_764_630);
});
