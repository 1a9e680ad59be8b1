import { describe, expect, it } from 'vitest';
import type { Refused } from '../core/protocol/messages.ts';
import { eventually } from '../local/test-eventually.ts';
import { memoryCheckpointStore } from './checkpoint-store.ts';
import { TICKET_PATIENCE_MS } from './claim.ts';
import { systemClock } from './clock.ts';
import { scriptedBench, until } from './test-client.ts';
import { started } from './test-gateway.ts';

const bench = scriptedBench();

describe('a refusal', () => {
  it('gets a new ticket after 4004, and where the checkpoint is refused', async () => {
    const client = bench.makeClient();
    (await bench.makeLive(client)).close(4004);
    const second = await bench.other.visit();
    // The checkpoint goes with it: it does not let in, but it still proves what was recorded.
    expect(await second.hear('resume')).toEqual({
      type: 'resume',
      session: 's',
      checkpoint: 'c0',
      ticket: 'T2',
    });
    second.say(started({ resumed: true, checkpoint: 'c5' }));
    await until(client, ({ resumed }) => resumed);
    second.cut();
    const third = await bench.gateway.visit();
    expect(await third.hear('resume')).toMatchObject({ checkpoint: 'c5' });
    const invalid: Refused = {
      ...{ type: 'refused', code: 'checkpointInvalid', actions: [] },
      detail: 'It went on elsewhere since, or is of no session here.',
    };
    third.say(invalid);
    // Where a `started` was lost: all stores may be lost next, and then nobody else knows of it.
    const fourth = await bench.gateway.visit();
    expect(await fourth.hear('resume')).toEqual({
      ...{ type: 'resume', session: 's', checkpoint: 'c5', ticket: 'T3' },
    });
    fourth.say(invalid);
    const fifth = await bench.gateway.visit();
    expect(await fifth.hear('resume')).toEqual({ type: 'resume', session: 's', ticket: 'T4' });
  });

  it('asks once more where no ticket comes while it is live', async () => {
    let asked = 0;
    const client = bench.makeClient({
      // As a request that hangs.
      getTicket: () => (++asked === 2 ? new Promise(() => {}) : Promise.resolve(`T${asked}`)),
      clock: {
        ...systemClock,
        after: (ms, run) => systemClock.after(ms === TICKET_PATIENCE_MS ? 20 : ms, run),
      },
    });
    (await bench.makeLive(client)).close(4004);
    const back = await bench.other.visit();
    expect(await back.hear('resume')).toMatchObject({ checkpoint: 'c0', ticket: 'T3' });
  });

  it('asks once more at once when the network is back', async () => {
    let asked = 0;
    const client = bench.makeClient({
      getTicket: () => (++asked === 2 ? new Promise(() => {}) : Promise.resolve(`T${asked}`)),
    });
    (await bench.makeLive(client)).close(4004);
    await eventually(() => expect(asked).toBe(2));
    client.wake();
    const back = await bench.other.visit();
    expect(await back.hear('resume')).toMatchObject({ checkpoint: 'c0', ticket: 'T3' });
  });

  it('asks for another ticket when the first was used already, but not for ever', async () => {
    const client = bench.makeClient();
    const over = client.start();
    for (const ticket of ['T1', 'T2', 'T3']) {
      const visit = await bench.gateway.visit();
      expect(await visit.hear('start')).toMatchObject({ ticket });
      visit.say({ type: 'refused', code: 'ticketStale', detail: 'Used.', actions: [] });
    }
    expect(await over).toMatchObject({ phase: 'refused', refusal: { code: 'ticketStale' } });
  });

  it('goes on under the same id when the server does not know the session any more', async () => {
    const client = bench.makeClient();
    (await bench.makeLive(client)).cut();
    const second = await bench.other.visit();
    await second.hear('resume');
    second.say({ type: 'refused', code: 'sessionUnknown', detail: 'Never heard.', actions: [] });
    expect(await (await bench.other.visit()).hear('start')).toMatchObject({
      session: 's',
      ticket: 'T2',
    });
  });
});

describe('a reload', () => {
  it('resumes the session that the store still holds, its stopwatch too', async () => {
    const store = memoryCheckpointStore();
    store.save({ session: 'before', checkpoint: 'c7', recordedMs: 35_000, savedAt: 1 });
    const client = bench.makeClient({ store });
    const live = client.start();
    const visit = await bench.gateway.visit();
    expect(await visit.hear('resume')).toMatchObject({ session: 'before', checkpoint: 'c7' });
    visit.say(started({ session: 'before', resumed: true, checkpoint: 'c8' }));
    expect(await live).toMatchObject({ session: 'before', resumed: true });
    expect(client.recordedMs).toBeGreaterThanOrEqual(35_000);
    expect(store.load()).toMatchObject({ session: 'before', checkpoint: 'c8' });
    client.close();
    expect(store.load()).not.toBeNull();
  });

  it('begins anew where that session is over', async () => {
    const store = memoryCheckpointStore();
    store.save({ session: 'before', checkpoint: 'c7', recordedMs: 35_000, savedAt: 1 });
    const client = bench.makeClient({ store });
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('resume');
    visit.say({ type: 'refused', code: 'sessionEnded', detail: 'Over.', actions: [] });
    const again = await bench.gateway.visit();
    expect(await again.hear('start')).toMatchObject({ session: 's', ticket: 'T1' });
    again.say(started());
    await until(client, ({ phase }) => phase === 'recording');
    expect(client.recordedMs).toBeLessThan(35_000);
  });
});

describe('a ticket that cannot be had', () => {
  it('is a refusal with the words of the backend, before the session is live', async () => {
    const client = bench.makeClient({
      getTicket: () => Promise.reject(new Error('Please sign in.')),
    });
    expect(await client.start()).toMatchObject({
      phase: 'refused',
      refusal: { code: 'ticketUnavailable', detail: 'Please sign in.' },
    });
  });
});
