/** Of the plan's, the organization's and the member's limit the lowest counts, and is named. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestHttp, type TestHttp } from './test-http.ts';

const SEED = Number(process.env.SEED ?? 1);
const RUNS = 40;
const MS_PER_MINUTE = 60_000;

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
});
afterAll(() => http?.stop());

/** A limit as a caller may say it, and what it means; null: none. */
interface Said {
  body: Record<string, number | null>;
  ms: number | null;
}
const minutes = fc.oneof(
  fc.constantFrom(0, 1, 2, 60),
  fc.double({ min: 0, max: 600, noNaN: true }),
);
const limits: fc.Arbitrary<Said> = fc.oneof(
  fc.constantFrom<Said>(
    ...[{}, { minutes: null }, { minutes: -1 }, { hours: null }, { hours: -1 }].map((body) => ({
      ...{ body: body as Said['body'], ms: null },
    })),
  ),
  minutes.map((count) => ({ body: { minutes: count }, ms: Math.round(count * MS_PER_MINUTE) })),
  minutes.map((count) => ({
    ...{ body: { hours: count }, ms: Math.round(count * 60 * MS_PER_MINUTE) },
  })),
);

const lowest = (...all: (number | null)[]): number | null => {
  const known = all.filter((ms) => ms !== null);
  return known.length === 0 ? null : Math.min(...known);
};

it('the most restrictive limit wins and is named, said in minutes or in hours', async () => {
  let run = 0;
  const property = fc.asyncProperty(limits, limits, limits, async (plan, own, member) => {
    const name = `it-${++run}`;
    const put = async (path: string, body: object) => {
      const answer = await http.call('PUT', path, body);
      expect([path, answer.status]).toEqual([path, 201]);
    };
    await put(`/v1/plans/${name}`, { name, ...plan.body });
    await put(`/v1/orgs/${name}`, { name, plan: name, ...own.body });
    await put(`/v1/orgs/${name}/members/ann`, member.body);
    const { body } = await http.call('POST', `/v1/orgs/${name}/check`, { user: 'ann' });
    const organization = lowest(plan.ms, own.ms);
    const limit = lowest(organization, member.ms);
    const isMembers = limit !== organization;
    expect(body.reading.limitMs).toBe(limit);
    expect(body.binding).toBe(isMembers ? 'member' : 'organization');
    expect([body.allowed, body.reason]).toEqual(
      limit === 0 ? [false, 'limitReached'] : [true, null],
    );
    if (limit === null || limit === 0) return;
    const planned = (plannedMs: number) =>
      http.call('POST', `/v1/orgs/${name}/check`, { user: 'ann', plannedMs });
    expect((await planned(limit)).body.allowed).toBe(true);
    expect((await planned(limit + 1)).body).toMatchObject({
      ...{ allowed: false, reason: 'plannedTooLong', binding: body.binding },
    });
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
});

it('a longest session and a cap are said in minutes or in hours, not in both', async () => {
  const put = (body: object) => http.call('PUT', '/v1/plans/long', { name: 'Long', ...body });
  const inHours = await put({ maxSessionHours: 1.5, overageCapHours: 2 });
  expect(inHours.body).toMatchObject({ maxSessionMinutes: 90, overageCapMinutes: 120 });
  const lifted = await put({ maxSessionHours: -1, overageCapHours: null });
  expect(lifted.body).toMatchObject({ maxSessionMinutes: null, overageCapMinutes: null });
  for (const bad of [
    { maxSessionHours: 1, maxSessionMinutes: 60 },
    { overageCapHours: 1, overageCapMinutes: 60 },
    { maxSessionHours: 0 },
    { hours: 1, minutes: 60 },
  ]) {
    const answer = await put(bad);
    expect([bad, answer.status]).toEqual([bad, 422]);
  }
});
