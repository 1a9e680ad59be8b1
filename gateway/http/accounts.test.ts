import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditLog, meterOutbox } from '../../drizzle/schema/operations.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

const DEFAULTS = {
  minutes: null,
  concurrentSessions: null,
  maxSessionMinutes: null,
  sessionsPerDay: null,
  concurrencyQueue: null,
  maxFileBytes: null,
  dailyCostCents: null,
  features: {},
  thresholds: { percent: [80, 90, 100], remainingMinutes: [10, 5, 1] },
  atLimit: 'stop',
  overageCapMinutes: null,
  roundTo: 'second',
  onMeterFailure: 'continue',
  meterFailureSeconds: 600,
  outageTime: 'charge',
  enforcement: 'enforce',
  saveWindowSeconds: 10,
  paymentHoldSeconds: 0,
  overageMeter: null,
  paymentGraceDays: 7,
};

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
});
afterAll(() => http.stop());

describe('a plan', () => {
  it('needs a name alone; the rest has its defaults', async () => {
    const made = await http.call('PUT', '/v1/plans/bare', { name: 'Bare' });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({ plan: 'bare', name: 'Bare', ...DEFAULTS });
    expect((await http.call('GET', '/v1/plans/bare')).body).toEqual(made.body);
  });

  it('takes hours, fractions of a minute, and -1 or null for unlimited', async () => {
    const minutesOf = async (body: object) =>
      (await http.call('PUT', '/v1/plans/times', { name: 'Times', ...body })).body.minutes;
    expect(await minutesOf({ hours: 1.5 })).toBe(90);
    expect(await minutesOf({ minutes: 0.5 })).toBe(0.5);
    // 1/3 of a minute is 20,000 ms, to the nearest one.
    expect(await minutesOf({ minutes: 0.333333333 })).toBe(20_000 / 60_000);
    expect(await minutesOf({ minutes: -1 })).toBeNull();
    expect(await minutesOf({ hours: -1 })).toBeNull();
    expect(await minutesOf({ minutes: null })).toBeNull();
    expect(await minutesOf({ minutes: 0 })).toBe(0);
  });

  it('keeps everything it was given, and can be put back as it is shown', async () => {
    const plan = {
      name: 'Full',
      minutes: 600,
      concurrentSessions: 3,
      maxSessionMinutes: 45.5,
      sessionsPerDay: 10,
      concurrencyQueue: { max: 20, maxWaitSeconds: 90 },
      maxFileBytes: 5_000_000_000,
      dailyCostCents: 2_500,
      features: { export: true, analysis: { limit: 3, per: 'month' }, video: false },
      thresholds: { percent: [50, 100], remainingMinutes: [2.5] },
      atLimit: 'overage',
      overageCapMinutes: 30,
      roundTo: 'minute',
      onMeterFailure: 'terminate',
      meterFailureSeconds: 60,
      outageTime: 'forgive',
      enforcement: 'shadow',
      saveWindowSeconds: 2.5,
      paymentHoldSeconds: 90,
      overageMeter: 'overage_minutes',
      paymentGraceDays: 3,
    };
    const made = await http.call('PUT', '/v1/plans/full', plan);
    expect(made.body).toEqual({ plan: 'full', ...plan });
    const again = await http.call('PUT', '/v1/plans/full', made.body);
    expect(again.status).toBe(200);
    expect(again.body).toEqual(made.body);
  });

  it('is refused with every value that was wrong, and what belongs there', async () => {
    const answer = await http.call('PUT', '/v1/plans/wrong', {
      name: '',
      minutes: -2,
      atLimit: 'explode',
      minuets: 60,
      features: { analysis: { limit: 3, per: 'year' } },
    });
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toMatchObject({ code: 'invalid', status: 422, actions: [] });
    const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers).toEqual(
      expect.arrayContaining([
        '/name',
        '/minutes',
        '/atLimit',
        '/minuets',
        '/features/analysis/per',
      ]),
    );
    expect(answer.body.errors).toContainEqual({
      pointer: '/minutes',
      detail: 'must be a number from 0 to 100000000, or -1 or null for unlimited, not -2',
    });
    expect(pointers.filter((pointer: string) => pointer === '/minutes')).toHaveLength(1);
    expect(answer.body.detail).toContain('"explode"');
    expect(answer.body.detail).toContain('"minuets" is not a field');
  });

  it('takes minutes or hours, not both, and an id of the known form', async () => {
    const both = await http.call('PUT', '/v1/plans/both', { name: 'Both', minutes: 1, hours: 1 });
    expect(both.status).toBe(422);
    for (const id of ['-pro', 'a|b', 'a%20b', 'x'.repeat(129)]) {
      const answer = await http.call('PUT', `/v1/plans/${id}`, { name: 'No' });
      expect([id, answer.status]).toEqual([id, 422]);
    }
    const other = await http.call('PUT', '/v1/plans/one', { plan: 'two', name: 'Two' });
    expect(other.status).toBe(422);
  });

  it('that is not there is 404', async () => {
    const answer = await http.call('GET', '/v1/plans/none');
    expect(answer.status).toBe(404);
    expect(answer.body.code).toBe('planUnknown');
  });
});

describe('an organization', () => {
  it('is made with defaults, shown, and replaced', async () => {
    await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
    const made = await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'basic' });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      org: 'acme',
      name: 'Acme',
      plan: 'basic',
      timeZone: 'UTC',
      anchorDay: 1,
      minutes: null,
      suspended: false,
      paymentOverdueSince: null,
    });
    const replaced = await http.call('PUT', '/v1/orgs/acme', {
      ...made.body,
      timeZone: 'Europe/Berlin',
      anchorDay: 31,
      minutes: 12.5,
    });
    expect(replaced.status).toBe(200);
    expect((await http.call('GET', '/v1/orgs/acme')).body).toMatchObject({
      timeZone: 'Europe/Berlin',
      anchorDay: 31,
      minutes: 12.5,
    });
  });

  it('needs a plan, a time zone and an anchor day that exist', async () => {
    const put = (body: object) =>
      http.call('PUT', '/v1/orgs/other', { name: 'Other', plan: 'basic', ...body });
    const unknown = await put({ plan: 'none' });
    expect(unknown.status).toBe(422);
    expect(unknown.body.code).toBe('planUnknown');
    for (const body of [{ timeZone: 'Mars/Olympus' }, { anchorDay: 32 }, { anchorDay: 0 }]) {
      const answer = await put(body);
      expect([body, answer.status]).toEqual([body, 422]);
      expect(answer.body.detail).toContain(String(Object.values(body)[0]));
    }
    expect((await http.call('GET', '/v1/orgs/other')).body.code).toBe('organizationUnknown');
  });

  it('leaves word for the meter and the audit log with every change', async () => {
    await http.call('PUT', '/v1/plans/audited', { name: 'Audited' });
    await http.call('PUT', '/v1/orgs/audited', { name: 'A', plan: 'audited' });
    await http.call('PUT', '/v1/orgs/audited', { name: 'A', plan: 'audited', suspended: true });
    const words = await http.db.select().from(meterOutbox).where(eq(meterOutbox.org, 'audited'));
    expect(words.length).toBeGreaterThan(0);
    const page = await http.call('GET', '/v1/orgs/audited/audit');
    expect(page.body.items).toMatchObject([
      { action: 'organization.put', actor: 'key:dev-key', detail: { suspended: true } },
      { action: 'organization.put', detail: { suspended: false } },
    ]);
  });

  it('is listed page by page, without one twice or left out', async () => {
    for (const name of ['page-a', 'page-b', 'page-c', 'page-d', 'page-e']) {
      await http.call('PUT', `/v1/orgs/${name}`, { name, plan: 'basic' });
    }
    const key = await http.makeKey(['page-a', 'page-b', 'page-c', 'page-d', 'page-e']);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page = await http.call('GET', `/v1/orgs?limit=2${query}`, undefined, { as: key });
      expect(page.body.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.body.items.map(({ org }: { org: string }) => org));
      cursor = page.body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(['page-a', 'page-b', 'page-c', 'page-d', 'page-e']);
  });

  it('answers a cursor of another list, junk and a wrong limit with 422', async () => {
    const first = await http.call('GET', '/v1/plans?limit=1');
    for (const query of [`cursor=${first.body.nextCursor}`, 'cursor=junk', 'limit=0', 'limit=x']) {
      const answer = await http.call('GET', `/v1/orgs?${query}`);
      expect([query, answer.status, answer.body.code]).toEqual([query, 422, 'invalid']);
    }
  });
});

describe('a member', () => {
  it('is made, shown and listed with its own limit', async () => {
    await http.call('PUT', '/v1/orgs/team', { name: 'Team', plan: 'basic' });
    const made = await http.call('PUT', '/v1/orgs/team/members/ann', { minutes: 20 });
    expect(made.status).toBe(201);
    const ann = {
      org: 'team',
      user: 'ann',
      name: null,
      email: null,
      minutes: 20,
      concurrentSessions: null,
      features: {},
      sessionsPerDay: null,
    };
    expect(made.body).toEqual(ann);
    const features = { export: false, analysis: { limit: 2, per: 'day' } };
    const own = await http.call('PUT', '/v1/orgs/team/members/ann', { ...ann, features });
    expect(own.body).toEqual({ ...ann, features });
    const renamed = await http.call('PUT', '/v1/orgs/team/members/ann', { ...ann, name: 'Ann' });
    expect(renamed.status).toBe(200);
    const list = await http.call('GET', '/v1/orgs/team/members');
    expect(list.body).toEqual({ items: [{ ...ann, name: 'Ann' }], nextCursor: null });
  });

  it('belongs to an organization that exists', async () => {
    const put = await http.call('PUT', '/v1/orgs/nowhere/members/ann', {});
    expect([put.status, put.body.code]).toEqual([404, 'organizationUnknown']);
    const get = await http.call('GET', '/v1/orgs/team/members/nobody');
    expect([get.status, get.body.code]).toEqual([404, 'memberUnknown']);
    const list = await http.call('GET', '/v1/orgs/nowhere/members');
    expect(list.status).toBe(404);
  });

  it('stays out of the audit log by name', async () => {
    await http.call('PUT', '/v1/orgs/team/members/eve', { name: 'Eve', email: 'eve@app.example' });
    const entries = await http.db.select().from(auditLog).where(eq(auditLog.subject, 'eve'));
    expect(entries).toHaveLength(1);
    expect(JSON.stringify(entries)).not.toContain('Eve');
  });
});
