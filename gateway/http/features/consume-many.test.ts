/** A crowd that consumes: apart, since it takes longer than all else that is said of features. */
import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../../drizzle/client.ts';
import { featureConsumptions, usageQuotas } from '../../../drizzle/schema/features.ts';
import { MAY, startTestHttp, type TestHttp } from '../test-http.ts';

const org = `org-${randomUUID()}`;
let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
});
afterAll(() => http.stop());

it('a thousand at once over two gateways against 100 pieces give exactly 100', async () => {
  const plan = { features: { analysis: { limit: 100, per: 'month' } } };
  await http.call('PUT', `/v1/plans/${org}`, { name: org, ...plan });
  await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: org });
  await http.call('PUT', `/v1/orgs/${org}/members/ann`, {
    features: { analysis: { limit: 30, per: 'day' } },
  });
  const second = connect(http.gatewayUrl);
  try {
    const other = http.with({ db: second.tenants });
    const users = ['ann', 'bob', 'cid', 'dan'];
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) =>
        (i % 2 === 0 ? http.call : other)(
          'POST',
          `/v1/orgs/${org}/consume`,
          { user: users[i % 4], feature: 'analysis' },
          { headers: { 'idempotency-key': `many-${i}` } },
        ),
      ),
    );
    const counted = answers.filter(({ status }) => status === 200);
    expect(counted).toHaveLength(100);
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(900);
    const ofAnn = counted.filter(({ body }) => body.user === 'ann');
    expect(ofAnn.length).toBeLessThanOrEqual(30);
    const month = await http.db
      .select()
      .from(usageQuotas)
      .where(and(eq(usageQuotas.org, org), eq(usageQuotas.per, 'month')));
    const whole = month.find(({ user }) => user === '')!;
    expect(whole).toMatchObject({ used: 100, pieceLimit: 100 });
    expect(whole.startsAt).toBeGreaterThanOrEqual(MAY);
    const ofMembers = month.filter(({ user }) => user !== '');
    expect(ofMembers.reduce((sum, { used }) => sum + used, 0)).toBe(100);
    const kept = eq(featureConsumptions.org, org);
    expect(await http.db.select().from(featureConsumptions).where(kept)).toHaveLength(100);
  } finally {
    await second.stop();
  }
});
