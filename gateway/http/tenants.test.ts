/**
 * Every route of the API with the credentials of one organization and the ids of another: 403 or
 * 404, no word of the other's data, no effect on it. The routes are those of the API document, so that
 * a new one is tried too, or fails this test until it is said here how.
 */
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import { MAY, START, startTestHttp, type TestHttp } from './test-http.ts';

/** In every text of the other organization; nobody else may ever read it. */
const MARK = 'globex-secret';
const VICTIM = {
  ...{ org: 'globex', user: 'bea', session: 'globex-session', plan: 'basic' },
  id: 'globex-key',
  purchase: '',
};

/** What is sent to a route that writes. One that is not here can't be tried, and fails. */
const BODIES: Readonly<Record<string, object>> = {
  'PUT /v1/plans/{plan}': { name: 'Mine now', minutes: null },
  'PUT /v1/orgs/{org}': { name: 'Mine now', plan: 'basic', suspended: true },
  'PUT /v1/orgs/{org}/members/{user}': { minutes: 0 },
  'POST /v1/tickets': { org: VICTIM.org, user: VICTIM.user },
  'POST /v1/orgs/{org}/check': { user: VICTIM.user },
  'POST /v1/orgs/{org}/consume': { user: VICTIM.user, feature: 'analysis' },
  'POST /v1/orgs/{org}/consume/undo': { idempotencyKey: 'the-key-of-a-job' },
  'POST /v1/orgs/{org}/usage-events': { kind: 'tokens', costCents: 1 },
  'POST /v1/orgs/{org}/adjustments': { minutes: 5, kind: 'extra', reason: 'for nothing' },
  'POST /v1/orgs/{org}/periods/reset': { reason: 'for nothing' },
  'POST /v1/orgs/{org}/reconcile': {},
  'POST /v1/sessions/{session}/stop': {},
  'POST /v1/api-keys': { name: 'Mine', orgs: [VICTIM.org] },
  'POST /v1/api-keys/{id}/rotate': {},
  'DELETE /v1/api-keys/{id}': {},
  'POST /v1/sessions/{session}/extend': { maxSessionMinutes: 1 },
  'POST /v1/sessions/{session}/end': { totalMs: 9 },
  'POST /v1/orgs/{org}/sessions': { user: VICTIM.user, session: VICTIM.session },
  'PUT /v1/extra-minutes/packages/{package}': { name: 'x', grantedMs: 60_000, priceCents: 1 },
  'PUT /v1/orgs/{org}/extra-minutes/top-up': {
    ...{ enabled: true, package: 'minutes-60', monthlyCapCents: 1 },
  },
  'POST /v1/orgs/{org}/extra-minutes/top-up/setup': {},
  'PUT /v1/orgs/{org}/extra-minutes/customer': { customer: 'cus_1' },
  'POST /v1/orgs/{org}/extra-minutes/purchases': { package: 'minutes-60', user: VICTIM.user },
  'POST /v1/orgs/{org}/extra-minutes/purchases/{purchase}/cancel': {},
  'POST /v1/orgs/{org}/extra-minutes/purchases/{purchase}/hold': {},
  'POST /v1/orgs/{org}/extra-minutes/purchases/{purchase}/test-payment': { outcome: 'paid' },
  'POST /v1/orgs/{org}/minutes': { session: VICTIM.session, totalMs: 9 },
};

/** Routes that name no organization: what each caller sees of them holds nothing of another. */
const SHARED = new Set([
  'GET /v1/orgs',
  'GET /v1/plans',
  'GET /v1/plans/{plan}',
  'GET /v1/extra-minutes/packages',
  'GET /v1/api-keys',
  'GET /v1/analytics/extra-minutes',
  ...['GET /v1/payment-checks', 'POST /v1/payment-checks'],
]);
/** Without credentials, and without anything that belongs to anybody. */
const PUBLIC = new Set([
  ...['GET /healthz', 'GET /v1/connect', 'GET /v1/receipt-keys'],
  'POST /v1/webhooks/stripe',
]);
/** What the owner is answered where it is not 200: the session here has not ended. */
const OWNER: Readonly<Record<string, number>> = { 'GET /v1/sessions/{session}/receipt': 409 };

interface Route {
  name: string;
  method: string;
  path: string;
  parameters: string[];
}

let http: TestHttp;
let routes: Route[];
let callers: Record<string, string>;

beforeAll(async () => {
  http = await startTestHttp();
  const features = { analysis: { limit: 9, per: 'day' } };
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60, features });
  for (const [org, user] of [
    ['acme', 'ann'],
    ['globex', 'bea'],
  ] as const) {
    await http.call('PUT', `/v1/orgs/${org}`, { name: `${org}-secret`, plan: 'basic' });
    await http.call('PUT', `/v1/orgs/${org}/members/${user}`, {});
    const gift = { minutes: 7, kind: 'extra', reason: `${org}-secret` };
    await http.call('POST', `/v1/orgs/${org}/adjustments`, gift);
    const headers = { 'idempotency-key': 'the-key-of-a-job' };
    const piece = { user, feature: 'analysis' };
    await http.call('POST', `/v1/orgs/${org}/consume`, piece, { headers });
    const event = { kind: 'tokens', costCents: 1, metadata: { of: `${org}-secret` } };
    await http.call('POST', `/v1/orgs/${org}/usage-events`, event);
    const bought = `/v1/orgs/${org}/extra-minutes/purchases`;
    const { body } = await http.call('POST', bought, { package: 'minutes-60', user });
    if (org === VICTIM.org) VICTIM.purchase = body.purchase;
    await http.record(org, user, `${org}-session`);
    await ensurePeriod(http.db, org, START);
    await http.db.insert(sessions).values({
      ...{ org, id: `${org}-session`, user, startedAt: START, startMonth: '2026-05-01' },
      ...{ firstPeriod: MAY, lastPeriod: MAY, generation: 0 },
    });
  }
  await http.makeKey([VICTIM.org], { id: VICTIM.id, name: MARK });
  // A member of the same name in both: a name alone must prove nothing.
  await http.call('PUT', '/v1/orgs/acme/members/bea', {});
  const { tickets } = http.deps;
  const minted = async (more: object) =>
    (await tickets.mint({ org: 'acme', user: 'bea', ...more })).ticket;
  callers = {
    'a key of another organization': await http.makeKey(['acme']),
    'a key of no organization': await http.makeKey([]),
    'a ticket of a member of the same name': await minted({}),
    'a ticket for a session of the same name': await minted({ session: VICTIM.session }),
    'a ticket that records only': await minted({ scopes: ['record'] }),
    'a ticket that may buy': await minted({ scopes: ['record', 'read', 'buy'] }),
  };
  const document = (await http.call('GET', '/openapi.json', undefined, { as: null })).body;
  routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { parameters?: { name: string; in: string }[] }>).map(
      ([method, { parameters = [] }]) => ({
        ...{ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path },
        parameters: parameters.filter((it) => it.in === 'query').map((it) => it.name),
      }),
    ),
  );
});
afterAll(() => http?.stop());

/** All rows of all tables that belong to the victim, as one text. */
async function rowsOfVictim(): Promise<string> {
  const tables = await http.db.execute<{ table_name: string }>(
    sql`select table_name from information_schema.columns
        where table_schema = 'public' and column_name = 'org' order by 1`,
  );
  const dumps: string[] = [];
  for (const { table_name: name } of tables) {
    const rows = await http.db.execute(
      sql`select to_jsonb(t) as row from ${sql.identifier(name)} t where t.org = ${VICTIM.org} order by 1`,
    );
    dumps.push(`${name}: ${JSON.stringify(rows)}`);
  }
  return dumps.join('\n');
}

/** With the victim's ids in the path, and in every query that takes one. */
function pathsOf({ path, parameters }: Route): string[] {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => VICTIM[name as 'org']);
  const known = parameters.filter((name) => name in VICTIM);
  const query = known.map((name) => `${name}=${VICTIM[name as 'org']}`).join('&');
  return query === '' ? [filled] : [filled, `${filled}?${query}`];
}

const isShared = ({ name }: Route) => SHARED.has(name) || PUBLIC.has(name);

describe('every route', () => {
  it('is tried, or is said to be nobody’s', () => {
    expect(routes.length).toBeGreaterThan(20);
    for (const route of routes) {
      const { name, method, path } = route;
      if (isShared(route)) continue;
      const isOwned = /\{(org|session|id)\}/.test(path) || name in BODIES;
      expect(isOwned, `${name} names no owner: say in SHARED that it has none`).toBe(true);
      if (method === 'GET') continue;
      expect(BODIES, `${name} writes: say in BODIES what to send`).toHaveProperty([name]);
    }
    const names = new Set(routes.map(({ name }) => name));
    for (const name of [...Object.keys(BODIES), ...SHARED, ...PUBLIC]) {
      expect(names, `${name} is no route any more`).toContain(name);
    }
  });

  it('answers the owner: else nothing here would be tried', async () => {
    const as = await http.makeKey([VICTIM.org]);
    const answers = [];
    for (const route of routes.filter((it) => !isShared(it) && it.method === 'GET')) {
      const path = pathsOf(route).at(-1)!;
      const { status, body } = await http.call('GET', path, undefined, { as });
      expect([route.name, status]).toEqual([route.name, OWNER[route.name] ?? 200]);
      answers.push(JSON.stringify(body));
    }
    expect(answers.join()).toContain(MARK);
  });

  it('refuses strangers, tells them nothing, and does nothing', async () => {
    const before = await rowsOfVictim();
    expect(before).toContain(MARK);
    const { epoch } = await http.session(VICTIM.org, VICTIM.session);
    for (const [caller, as] of Object.entries(callers)) {
      for (const route of routes.filter((it) => !isShared(it))) {
        for (const path of pathsOf(route)) {
          const answer = await http.call(route.method, path, BODIES[route.name], { as });
          const where = `${caller}: ${route.method} ${path}`;
          expect([403, 404], `${where} was answered ${answer.status}`).toContain(answer.status);
          expect(JSON.stringify(answer.body), where).not.toContain(MARK);
        }
      }
    }
    expect(await rowsOfVictim()).toBe(before);
    const session = await http.session(VICTIM.org, VICTIM.session);
    expect(session).toMatchObject({ epoch, state: 'recording', stoppedBy: '' });
  });

  it('that is shared shows a stranger nothing of the other', async () => {
    for (const [caller, as] of Object.entries(callers)) {
      for (const route of routes.filter(({ name }) => SHARED.has(name))) {
        const { body } = await http.call('GET', pathsOf(route)[0]!, undefined, { as });
        const where = `${caller}: ${route.name}`;
        expect(JSON.stringify(body), where).not.toContain(MARK);
        expect(JSON.stringify(body), where).not.toContain(VICTIM.org);
      }
    }
  });
});

describe('what is one organization’s own', () => {
  it('is not found below another one', async () => {
    const as = callers['a key of another organization']!;
    for (const [method, path] of [
      ['GET', `/v1/sessions/${VICTIM.session}?org=acme`],
      ['POST', `/v1/sessions/${VICTIM.session}/stop?org=acme`],
      ['GET', '/v1/orgs/acme/members/nobody-here'],
    ] as const) {
      const { status } = await http.call(method, path, method === 'GET' ? undefined : {}, { as });
      expect([path, status]).toEqual([path, 404]);
    }
  });

  it('is not had by an Idempotency-Key that its owner used', async () => {
    const headers = { 'idempotency-key': 'the-same-key' };
    const gift = { minutes: 1, kind: 'extra', reason: MARK };
    const owner = await http.makeKey([VICTIM.org]);
    await http.call('POST', '/v1/orgs/globex/adjustments', gift, { as: owner, headers });
    const as = callers['a key of another organization']!;
    const own = { ...gift, reason: 'mine' };
    const answer = await http.call('POST', '/v1/orgs/acme/adjustments', own, { as, headers });
    expect(answer.headers.get('idempotency-replayed')).toBeNull();
    expect(JSON.stringify(answer.body)).not.toContain(MARK);
    const same = await http.call('POST', '/v1/orgs/globex/adjustments', gift, { as, headers });
    expect(same.status).toBe(403);
  });

  it('is not given back by the key of somebody else’s job', async () => {
    const as = callers['a key of another organization']!;
    for (const org of ['acme', 'globex']) {
      const path = `/v1/orgs/${org}/consume/undo`;
      const body = { idempotencyKey: 'the-key-of-a-job' };
      const answer = await http.call('POST', path, body, { as });
      expect([org, answer.status]).toEqual([org, org === 'acme' ? 404 : 403]);
    }
  });

  it('is not had by a page’s cursor that its owner was given', async () => {
    const owner = await http.makeKey([VICTIM.org]);
    await http.call('PUT', '/v1/orgs/globex/members/bob', {}, { as: owner });
    const page = await http.call('GET', '/v1/orgs/globex/members?limit=1', undefined, {
      as: owner,
    });
    const cursor = page.body.nextCursor ?? page.body.next;
    expect(cursor).toBeTruthy();
    const as = callers['a key of another organization']!;
    const path = `/v1/orgs/acme/members?limit=100&cursor=${encodeURIComponent(cursor)}`;
    const { body } = await http.call('GET', path, undefined, { as });
    for (const { org } of body.items ?? []) expect(org).toBe('acme');
  });
});
