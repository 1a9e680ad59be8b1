import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../local/test-eventually.ts';
import { metered } from './express.ts';
import { createTaximeter } from './taximeter.ts';
import { ok, startUpstream, type Upstream } from './test-upstream.ts';

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startUpstream();
  upstream.script(ok({ consumption: 'c', used: 1, limit: 9, remaining: 8, resetsAt: null }));
});
afterEach(() => upstream.stop());
const undos = () => upstream.heard.filter(({ url }) => url.endsWith('/undo')).length;

/** A server whose handler is `handle`, behind a gate that counts successes. */
async function listen(handle: express.RequestHandler) {
  const taximeter = createTaximeter({ url: upstream.url, apiKey: 'key' });
  const app = express();
  const who = () => ({ org: 'acme', user: 'ann' });
  app.get('/', metered({ taximeter, who, feature: 'export', countOn: 'success' }), handle);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

it.each([
  [200, 0],
  [500, 1],
])(
  'who hangs up is counted by what the handler then comes to: %i gives back %i',
  async (status, undone) => {
    let response: express.Response | undefined;
    const running = await listen((_request, given) => {
      response = given;
    });
    const abort = new AbortController();
    const gone = fetch(running.url, { signal: abort.signal }).catch((error: Error) => error.name);
    await eventually(() => expect(response).toBeDefined());
    abort.abort();
    expect(await gone).toBe('AbortError');
    await once(response!, 'close');
    response!.status(status).send('the work is done all the same');
    await eventually(() => expect(undos()).toBe(undone));
    await running.stop();
  },
);

it('an answer that streams comes whole', async () => {
  const running = await listen((_request, response) => {
    response.write('one,');
    setTimeout(() => response.end('two'), 20);
  });
  const answer = await fetch(running.url);
  expect(await answer.text()).toBe('one,two');
  expect(answer.headers.get('taximeter-remaining')).toBe('8');
  expect(undos()).toBe(0);
  await running.stop();
});
