import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPaymentSettings } from '../../payments/settings.ts';
import { connectStripe } from '../../payments/stripe.ts';
import type { Payments } from './deps.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

let http: TestHttp;
let folder: string;
beforeAll(async () => {
  http = await startTestHttp();
  folder = await mkdtemp(join(tmpdir(), 'static-'));
  await mkdir(join(folder, 'client/demo'), { recursive: true });
  await mkdir(join(folder, 'core/protocol'), { recursive: true });
  await mkdir(join(folder, 'gateway'), { recursive: true });
  await writeFile(join(folder, 'client/demo/index.html'), '<!doctype html><title>Page</title>');
  await writeFile(join(folder, 'client/index.js'), 'export {};');
  await writeFile(join(folder, 'client/demo/style.css'), 'body {}');
  await writeFile(join(folder, 'client/index.d.ts'), 'export {};');
  await writeFile(join(folder, 'core/protocol/messages.js'), 'export {};');
  await writeFile(join(folder, 'gateway/config.js'), 'export const secret = 1;');
  await writeFile(join(folder, 'secret.json'), '{"secret":1}');
  await symlink(join(folder, 'secret.json'), join(folder, 'client/link.json'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await http.stop();
});

describe('the recorder page', () => {
  it('is served with its modules, each as what it is', async () => {
    const call = http.with({ staticFolder: folder });
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/client/index.js', 'text/javascript; charset=utf-8'],
      ['/client/demo/style.css', 'text/css; charset=utf-8'],
      ['/core/protocol/messages.js', 'text/javascript; charset=utf-8'],
    ] as const) {
      const { status, headers } = await call('GET', path, undefined, { as: null });
      expect([path, status, headers.get('content-type')]).toEqual([path, 200, type]);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      const policy = headers.get('content-security-policy');
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain('ws://127.0.0.1:8787');
      expect(policy).not.toContain('unsafe');
      const again = await call('GET', path, undefined, {
        as: null,
        headers: { 'if-none-match': headers.get('etag')! },
      });
      expect(again.status).toBe(304);
    }
  });

  it('runs scripts of Stripe only where payments are on', async () => {
    const policyOf = async (payments: Payments | null) => {
      const call = http.with({ staticFolder: folder, payments });
      const { headers } = await call('GET', '/', undefined, { as: null });
      return headers.get('content-security-policy')!;
    };
    expect(await policyOf(null)).not.toContain('stripe');
    expect(await policyOf(null)).not.toContain('frame-src');
    const settings = readPaymentSettings({ STRIPE_SECRET_KEY: 'sk_test_1' })!;
    const stripe = connectStripe(settings);
    const policy = await policyOf({ settings, stripe });
    expect(policy).toContain("script-src 'self' https://js.stripe.com https://*.js.stripe.com;");
    expect(policy).toContain('frame-src https://js.stripe.com');
    expect(policy).toContain('https://hooks.stripe.com;');
    expect(policy).toContain('ws://127.0.0.1:8787 https://api.stripe.com;');
    expect(policy).not.toContain('unsafe');
    const other = { ...settings, scriptUrl: 'http://127.0.0.1:1234/stripe.js' };
    const tested = await policyOf({ settings: other, stripe });
    expect(tested).toContain("script-src 'self' http://127.0.0.1:1234;");
    expect(tested).not.toContain('stripe.com');
  });

  it('that is not built says how to build it', async () => {
    const call = http.with({ staticFolder: join(folder, 'nothing') });
    const { status, body } = await call('GET', '/', undefined, { as: null });
    expect(status).toBe(404);
    expect(body.detail).toContain('npm run build');
  });
});

/** As bytes on a socket: `fetch` would tidy the path before it is sent. */
function rawStatus(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

describe('nothing else', () => {
  it('is served, whatever the path says', async () => {
    const { createHttp } = await import('./app.ts');
    const app = createHttp({ ...http.deps, staticFolder: folder });
    const server = createServer(getRequestListener(app.fetch));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect((await rawStatus(port, '/client/index.js')).status).toBe(200);
      for (const path of [
        '/secret.json',
        '/gateway/config.js',
        '/client/../secret.json',
        '/client/../gateway/config.js',
        '/client/%2e%2e/secret.json',
        '/client/..%2fsecret.json',
        '/client/..%5csecret.json',
        '/client/%252e%252e/secret.json',
        '/client//../../secret.json',
        '/client/demo/../../secret.json',
        '/core/protocol/../../secret.json',
        '/client/link.json',
        '/client/index.d.ts',
        '/client/index.js%00.json',
        '/client/',
        '/client/demo',
        '/client/none.js',
        `/client/${'x'.repeat(2_000)}.js`,
      ]) {
        const { status, body } = await rawStatus(port, path);
        expect([path, status]).toEqual([path, 404]);
        expect(body).not.toContain('"secret"');
        expect(body).not.toContain(folder);
      }
      const connect = await rawStatus(port, '/v1/connect');
      expect(connect.status).toBe(426);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
