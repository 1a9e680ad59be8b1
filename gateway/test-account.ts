/** Plans, organizations and tickets for tests of a running product, by its own API. */
import { randomBytes } from 'node:crypto';
import type { TestProduct } from '../local/test-product.ts';

interface PlanInput {
  minutes?: number | null;
  [field: string]: unknown;
}

export interface Account {
  org: string;
  plan: string;
  ticket(user?: string, more?: Record<string, unknown>): Promise<string>;
}

/** An organization of its own with a plan of its own, so that tests share a product. */
export async function createAccount(product: TestProduct, plan: PlanInput): Promise<Account> {
  const org = `org-${randomBytes(4).toString('hex')}`;
  const name = `plan-${org}`;
  await product.api('PUT', `/v1/plans/${name}`, { name, saveWindowSeconds: 2, ...plan });
  await product.api('PUT', `/v1/orgs/${org}`, { name: org, plan: name });
  return {
    org,
    plan: name,
    async ticket(user = 'ann', more = {}) {
      const body = { org, user, ...more };
      const { ticket } = await product.api<{ ticket: string }>('POST', '/v1/tickets', body);
      return ticket;
    },
  };
}

/** Asks until the answer fits; throws the last one. */
export async function until<Value>(
  ask: () => Promise<Value>,
  fits: (value: Value) => boolean,
  patienceMs = 15_000,
): Promise<Value> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const value = await ask();
    if (fits(value)) return value;
    if (performance.now() > end) throw new Error(`Not so in time: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
