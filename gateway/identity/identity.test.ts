/** Tokens of an identity provider at a product as it runs: on the socket and on HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SUBPROTOCOL } from '../../core/protocol/messages.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';
import { type Account, createAccount } from '../test-account.ts';
import { connectRecorder, type TestRecorder } from '../test-recorder.ts';
import { startTestProvider, type TestProvider } from './test-provider.ts';

let provider: TestProvider;
let product: TestProduct;
let account: Account;
const open: TestRecorder[] = [];
beforeAll(async () => {
  provider = await startTestProvider();
  const settings = { ...provider.settings, claims: { org: 'org_id', scopes: 'scope' } };
  product = await startTestProduct({
    intervalMs: 300,
    env: { IDENTITY_PROVIDERS: JSON.stringify([settings]) },
  });
  account = await createAccount(product, { minutes: 60 });
}, 120_000);
afterAll(async () => {
  for (const recorder of open) recorder.cut();
  await product?.stop();
  await provider?.stop();
});

const tokenOf = (sub: string, more: Record<string, unknown> = {}) =>
  provider.token({ org_id: account.org, sub, scope: 'record read', ...more });
async function join(protocols = [SUBPROTOCOL]): Promise<TestRecorder> {
  const recorder = await connectRecorder(product.gateways[0]!.connectUrl, { protocols });
  open.push(recorder);
  return recorder;
}
interface Answer {
  code?: string;
  remainingMs?: number | null;
}
const get = async (path: string, as: string) => {
  const headers = { authorization: `Bearer ${as}` };
  const response = await fetch(`${product.gatewayUrls[0]}${path}`, { headers });
  return { status: response.status, body: (await response.json()) as Answer };
};

describe('a token of an identity provider', () => {
  it('starts and resumes sessions, again and again, and makes its member', async () => {
    const ticket = await tokenOf('ann');
    const first = await join();
    const { session } = await first.start({ ticket });
    const second = await join([SUBPROTOCOL, `ticket.${ticket}`]);
    await second.start({});
    first.cut();
    const third = await join();
    const resumed = await third.resume({ session, ticket });
    expect(resumed).toMatchObject({ session, resumed: true });
    const member = await product.api('GET', `/v1/orgs/${account.org}/members/ann`);
    expect(member).toMatchObject({ user: 'ann', minutes: null });
  });

  it('reads its own figures, and no others', async () => {
    const as = await tokenOf('bea');
    const usage = await get(`/v1/orgs/${account.org}/usage?user=bea`, as);
    expect([usage.status, usage.body.remainingMs !== undefined]).toEqual([200, true]);
    expect((await get(`/v1/orgs/${account.org}/usage?user=ann`, as)).status).toBe(403);
    expect((await get('/v1/plans', as)).status).toBe(403);
    const other = await createAccount(product, {});
    expect((await get(`/v1/orgs/${other.org}/usage`, as)).status).toBe(403);
    const recordsOnly = await tokenOf('bea', { scope: 'record' });
    expect((await get(`/v1/orgs/${account.org}/usage`, recordsOnly)).status).toBe(403);
  });

  it('is refused like a ticket: of no organization, for reading only, forged', async () => {
    for (const [claims, code] of [
      [{ org_id: 'nobody-knows' }, 'organizationUnknown'],
      [{ scope: 'read' }, 'ticketInvalid'],
      [{ aud: 'another' }, 'ticketInvalid'],
      [{ exp: 1_000 }, 'ticketStale'],
    ] as const) {
      const recorder = await join();
      recorder.send({ type: 'start', ticket: await tokenOf('cyd', claims) });
      expect(await recorder.next('refused')).toMatchObject({ code });
    }
    const forged = (await tokenOf('cyd')).replace(/.{6}$/, 'AAAAAA');
    expect((await get(`/v1/orgs/${account.org}/usage`, forged)).status).toBe(401);
    const nobody = await tokenOf('cyd', { org_id: 'nobody-knows' });
    const usage = await get('/v1/orgs/nobody-knows/usage', nobody);
    expect([usage.status, usage.body.code]).toEqual([404, 'organizationUnknown']);
  });
});
