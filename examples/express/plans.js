// What is sold. Limits live in the product, so that nothing in this app counts anything.

export const PLANS = {
  free: {
    name: 'Free',
    minutes: 30,
    features: { export: { limit: 2, per: 'month' } },
  },
  pro: {
    name: 'Pro',
    minutes: 600,
    features: { export: { limit: 100, per: 'month' } },
  },
};

/** Safe to repeat: what is there is replaced by the same. */
export async function makePlans(taximeter) {
  for (const [plan, body] of Object.entries(PLANS)) await taximeter.plans.put(plan, body);
}
