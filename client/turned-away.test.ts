import { describe, expect, it } from 'vitest';
import { scriptedBench, until } from './test-client.ts';
import { started } from './test-gateway.ts';

const bench = scriptedBench();

describe('a gateway that turns connections away', () => {
  it('is asked for the reason after three failures, and a 403 is believed', async () => {
    bench.gateway.turnAway(403, {
      code: 'originNotAllowed',
      detail: 'https://x is not on the list.',
    });
    const client = bench.makeClient({ urls: [bench.gateway.url] });
    expect(await client.start()).toMatchObject({
      phase: 'refused',
      refusal: { code: 'originNotAllowed', detail: 'https://x is not on the list.' },
    });
    expect(bench.gateway.turnedAway).toBeGreaterThanOrEqual(3);
  });

  it('is tried again when it is only full, and the reason is shown meanwhile', async () => {
    bench.gateway.turnAway(503, { code: 'full', detail: 'The gateway is full.' });
    const client = bench.makeClient({ urls: [bench.gateway.url] });
    const live = client.start();
    await until(client, ({ problem }) => problem === 'The gateway is full.');
    bench.gateway.turnAway(null);
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started());
    expect(await live).toMatchObject({ phase: 'recording', problem: null });
  });
});
