import { describe, expect, it } from 'vitest';
import { type Need, type Offer, recommend } from './recommend.ts';

const MINUTE = 60_000;
const OFFERS: Offer[] = [
  { package: 'minutes-600', grantedMs: 600 * MINUTE, priceCents: 5_999 },
  { package: 'minutes-60', grantedMs: 60 * MINUTE, priceCents: 999 },
  { package: 'minutes-150', grantedMs: 150 * MINUTE, priceCents: 1_999 },
];
const USED: Need = {
  remainingMs: 100 * MINUTE,
  extraRemainingMs: 0,
  usedMs: 400 * MINUTE,
  periodUsedMs: 450 * MINUTE,
  extraBeforeMs: [],
};

describe('the package that is recommended', () => {
  it('is none where what remains lasts, or nothing limits', () => {
    expect(recommend(USED, OFFERS)).toMatchObject({ offer: null, reason: 'enough' });
    const unlimited = { ...USED, remainingMs: null, periodUsedMs: 10_000 * MINUTE };
    expect(recommend(unlimited, OFFERS)).toMatchObject({ offer: null, reason: 'enough' });
  });

  it('is the smallest that covers what the period will lack', () => {
    const short = (periodUsedMs: number) =>
      recommend({ ...USED, periodUsedMs: periodUsedMs * MINUTE }, OFFERS);
    expect(short(560)).toMatchObject({
      offer: { package: 'minutes-60' },
      quantity: 1,
      needMs: 60 * MINUTE,
      reason: 'shortThisPeriod',
    });
    expect(short(561)).toMatchObject({ offer: { package: 'minutes-150' }, quantity: 1 });
  });

  it('is several of the largest where none is large enough', () => {
    const lacking = { ...USED, periodUsedMs: 1_800 * MINUTE };
    expect(recommend(lacking, OFFERS)).toMatchObject({
      offer: { package: 'minutes-600' },
      quantity: 3,
      needMs: 1_300 * MINUTE,
    });
  });

  it('is the cheaper one where a larger one costs less', () => {
    const sale = OFFERS.map((it) =>
      it.package === 'minutes-150' ? { ...it, priceCents: 900 } : it,
    );
    const short = { ...USED, periodUsedMs: 540 * MINUTE };
    expect(recommend(short, sale).offer?.package).toBe('minutes-150');
  });

  it('is the smallest at the limit, where nothing else is known', () => {
    const stopped = { ...USED, remainingMs: 0, periodUsedMs: null };
    expect(recommend(stopped, OFFERS)).toMatchObject({
      offer: { package: 'minutes-60' },
      quantity: 1,
      reason: 'atLimit',
    });
  });

  it('is what was bought before, once the plan is nearly used', () => {
    const buyer = { ...USED, extraBeforeMs: [120 * MINUTE, 160 * MINUTE] };
    expect(recommend(buyer, OFFERS)).toMatchObject({
      offer: { package: 'minutes-150' },
      needMs: 140 * MINUTE,
      reason: 'asBefore',
    });
    const early = { ...buyer, usedMs: 10 * MINUTE, remainingMs: 490 * MINUTE };
    expect(recommend({ ...early, periodUsedMs: 100 * MINUTE }, OFFERS).offer).toBeNull();
    const stocked = { ...buyer, extraRemainingMs: 140 * MINUTE, remainingMs: 240 * MINUTE };
    expect(recommend(stocked, OFFERS).offer).toBeNull();
  });

  it('is none where nothing is on sale', () => {
    expect(recommend({ ...USED, remainingMs: 0 }, [])).toMatchObject({ offer: null, quantity: 0 });
  });
});
