/** An identity provider on loopback: signs tokens with keys of its own and serves the public ones. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { ProviderInput } from './settings.ts';

export const AUDIENCE = 'taximeter';

export interface TestProvider {
  issuer: string;
  settings: ProviderInput;
  /** how often its keys were fetched */
  asked(): number;
  /** what it answers next time; left out: its public keys */
  answer(with_: { status?: number; body?: string; afterMs?: number } | null): void;
  /** makes a new key; `only`: the ones before are no longer served */
  rotate(options?: { only?: boolean; alg?: string }): Promise<string>;
  /** signed by the newest key, unless told otherwise */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  publicKeys(): JWK[];
  stop(): Promise<void>;
}

export async function startTestProvider(alg = 'ES256'): Promise<TestProvider> {
  const keys: { kid: string; alg: string; key: CryptoKey; jwk: JWK }[] = [];
  let served: JWK[] = [];
  let asked = 0;
  let next: { status?: number; body?: string; afterMs?: number } | null = null;
  const server = createServer((_request, response) => {
    asked += 1;
    const { status = 200, body = JSON.stringify({ keys: served }), afterMs = 0 } = next ?? {};
    setTimeout(() => {
      response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' });
      response.end(body);
    }, afterMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function rotate(options: { only?: boolean; alg?: string } = {}): Promise<string> {
    const kid = `key-${keys.length + 1}`;
    const kind = options.alg ?? alg;
    const pair = await generateKeyPair(kind, { extractable: true });
    const jwk = { ...(await exportJWK(pair.publicKey)), kid, use: 'sig' };
    keys.push({ kid, alg: kind, key: pair.privateKey, jwk });
    served = options.only ? [jwk] : [...served, jwk];
    return kid;
  }
  await rotate();

  return {
    issuer,
    settings: {
      ...{
        issuer,
        audience: AUDIENCE,
        jwksUrl: `${issuer}/jwks.json`,
        algorithms: [alg as 'ES256'],
      },
      claims: { org: 'org_id' },
    },
    asked: () => asked,
    answer(with_) {
      next = with_;
    },
    rotate,
    publicKeys: () => served,
    token(claims = {}, header = {}) {
      const { kid, key, alg: kind } = keys.at(-1)!;
      const seconds = Math.floor(Date.now() / 1_000);
      const usual = { iss: issuer, aud: AUDIENCE, sub: 'ann', org_id: 'acme', exp: seconds + 600 };
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: kind, kid, ...header })
        .sign(key);
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
