/** What there must be to ask about: two organizations, the demo's, and those who ask for them. */
import type { Ask } from './asking.ts';
import type { Credentials } from './exchange.ts';
import type { Pool } from './pool.ts';

export const TENANT = 'fuzzed-stranger';
const USER = 'ann';
const FEATURE = 'analysis';
const PACKAGE = 'fuzzed';
const ALL_SCOPES = ['read', 'write', 'sessions', 'adjust', 'keys'];

export interface Ground {
  /** Puts right what calls before may have suspended or spoiled. */
  restore(): Promise<void>;
  /** It is the newest thing known again. */
  remember(): void;
}

async function send(ask: Ask, method: string, path: string, body: object) {
  const headers = { 'content-type': 'application/json' };
  const answer = await ask(method, path, { headers, body: JSON.stringify(body) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.text}`);
  return JSON.parse(answer.text) as Record<string, string>;
}

/**
 * A new organization of a round: what the one before used up, as the one loan of a day, is here again.
 * @param credentials gets those of a member, and of keys that may less
 */
export async function openGround(
  ask: Ask,
  pool: Pool,
  credentials: Map<Credentials, string>,
  round: number,
): Promise<Ground> {
  const org = `fuzzed-${round}`;
  const { org: demo } = JSON.parse((await ask('GET', '/demo/config')).text) as { org?: string };
  const orgs = [TENANT, org, ...(demo === undefined ? [] : [demo])];
  async function restore(): Promise<void> {
    const plan = { name: org, features: { [FEATURE]: true }, paymentHoldSeconds: 60 };
    const offer = { name: 'An hour', grantedMs: 3_600_000, priceCents: 999, currency: 'usd' };
    await Promise.all([
      send(ask, 'PUT', `/v1/plans/${org}`, plan),
      send(ask, 'PUT', `/v1/extra-minutes/packages/${PACKAGE}`, offer),
    ]);
    await Promise.all(
      orgs.map((name) => send(ask, 'PUT', `/v1/orgs/${name}`, { name, plan: org })),
    );
    await Promise.all(
      [TENANT, org].map((name) => send(ask, 'PUT', `/v1/orgs/${name}/members/${USER}`, {})),
    );
  }
  function remember(): void {
    const known = { user: USER, plan: org, feature: FEATURE, package: PACKAGE, currency: 'usd' };
    pool.learn({ ...known, org: TENANT });
    pool.learn({ ...known, org });
  }
  await restore();
  const scopes = ['record', 'read', 'buy'];
  const wanted = { org, user: USER, ttlSeconds: 3_600, scopes };
  const key = (orgs: string[], scopes: string[]) =>
    send(ask, 'POST', '/v1/api-keys', { name: 'x', orgs, scopes });
  const [ticket, scoped, tenant] = await Promise.all([
    send(ask, 'POST', '/v1/tickets', wanted),
    key([org], ['read']),
    key([TENANT], ALL_SCOPES),
  ]);
  credentials.set('ticket', ticket.ticket!);
  credentials.set('scoped', scoped.secret!);
  credentials.set('tenant', tenant.secret!);
  return { restore, remember };
}
