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

/** A team begins on the free plan; who comes back finds team and member as they are. */
export async function joinTeam(taximeter, { org, user }) {
  const whereUnknown = (code, make) => (error) => {
    if (error.code !== code) throw error;
    return make();
  };
  const { organizations, members } = taximeter;
  const newTeam = () => organizations.put(org, { name: org, plan: 'free' });
  await organizations.get(org).catch(whereUnknown('organizationUnknown', newTeam));
  const newMember = () => members.put(org, user, { name: user });
  await members.get(org, user).catch(whereUnknown('memberUnknown', newMember));
}
