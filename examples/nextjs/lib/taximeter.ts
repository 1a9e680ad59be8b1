import { createTaximeter, TaximeterProblem } from 'taximeter/server';

export const taximeter = createTaximeter({
  url: process.env.TAXIMETER_URL ?? 'http://localhost:8787',
  apiKey: process.env.TAXIMETER_API_KEY ?? 'dev-key',
});

/** What is sold. Safe to repeat: what is there is replaced by the same. */
export async function makePlans(): Promise<void> {
  const perMonth = (limit: number) => ({ export: { limit, per: 'month' as const } });
  await taximeter.plans.put('free', { name: 'Free', minutes: 30, features: perMonth(2) });
  await taximeter.plans.put('pro', { name: 'Pro', minutes: 600, features: perMonth(100) });
}

/** A team begins on the free plan; who comes back finds team and member as they are. */
export async function joinTeam(org: string, user: string): Promise<void> {
  const whereUnknown = (code: string, make: () => Promise<unknown>) => (error: unknown) => {
    if (error instanceof TaximeterProblem && error.code === code) return make();
    throw error;
  };
  const { organizations, members } = taximeter;
  const newTeam = () => organizations.put(org, { name: org, plan: 'free' });
  await organizations.get(org).catch(whereUnknown('organizationUnknown', newTeam));
  const newMember = () => members.put(org, user, { name: user });
  await members.get(org, user).catch(whereUnknown('memberUnknown', newMember));
}
