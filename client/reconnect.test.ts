import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { memoryCheckpointStore } from './checkpoint-store.ts';
import { MeterClient } from './meter-client.ts';
import type { MeterClientOptions } from './options.ts';
import type { MeterState, StopNotice } from './state.ts';
import {
  type ScriptedGateway,
  started,
  startScriptedGateway,
  stopping,
  tick,
  type Visit,
} from './test-gateway.ts';

let gateway: ScriptedGateway;
let other: ScriptedGateway;
const clients: MeterClient[] = [];
let tickets = 0;

beforeEach(async () => {
  gateway = await startScriptedGateway();
  other = await startScriptedGateway();
  tickets = 0;
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all([gateway.stop(), other.stop()]);
});

function makeClient(options: Partial<MeterClientOptions> = {}): MeterClient {
  const client = new MeterClient({
    urls: [gateway.url, other.url],
    getTicket: async () => {
      tickets += 1;
      return `T${tickets}`;
    },
    session: 's',
    WebSocket,
    random: () => 0,
    ...options,
  });
  clients.push(client);
  return client;
}

/** By subscription, not by polling: what is passed through quickly is seen too. */
function until(client: MeterClient, holds: (state: MeterState) => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (holds(client.getState())) return resolve();
    const end = client.subscribe((state) => {
      if (!holds(state)) return;
      end();
      resolve();
    });
  });
}

async function makeLive(client: MeterClient): Promise<Visit> {
  const live = client.start();
  const visit = await gateway.visit();
  await visit.hear('start');
  visit.say(started());
  await live;
  return visit;
}

describe('a lost connection', () => {
  it('is taken up at the next gateway with the last checkpoint, without a ticket', async () => {
    const client = makeClient({ capturedMs: () => 7_000 });
    const visit = await makeLive(client);
    visit.say(tick(1), tick(2));
    await visit.hear('beat');
    await visit.hear('beat');
    visit.cut();
    const back = await other.visit();
    expect(await back.hear('resume')).toEqual({
      type: 'resume',
      session: 's',
      checkpoint: 'c2',
      capturedMs: 7_000,
    });
    expect(client.getState().phase).toBe('recording');
    back.say(started({ resumed: true, epoch: 2, checkpoint: 'c3' }));
    await until(client, ({ epoch, connection }) => epoch === 2 && connection.is === 'open');
    expect(tickets).toBe(1);
  });

  it.each([1001, 1012, 4001, 4002, 4005])('comes back after close code %i', async (code) => {
    const client = makeClient();
    (await makeLive(client)).close(code);
    await (await other.visit()).hear('resume');
  });

  it.each([
    [1000, 'normal'],
    [4503, 'superseded'],
    [4507, 'sessionEnded'],
    [4508, 'organizationSuspended'],
    [4512, 'stoppedByOperator'],
  ])('does not come back after %i, and has the recording saved', async (code, reason) => {
    const notices: StopNotice[] = [];
    const client = makeClient({ onStop: (notice) => void notices.push(notice) });
    (await makeLive(client)).close(code);
    await until(client, ({ phase, save }) => phase === 'lost' && save === 'saved');
    expect(notices).toMatchObject([{ reason, saveWindowMs: 0 }]);
    expect(client.getState().stop?.detail).toContain(String(code));
  });

  it('gets a new ticket after 4004, and where the checkpoint is refused', async () => {
    const client = makeClient();
    (await makeLive(client)).close(4004);
    const second = await other.visit();
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
    const third = await gateway.visit();
    expect(await third.hear('resume')).toMatchObject({ checkpoint: 'c5' });
    third.say({ type: 'refused', code: 'checkpointInvalid', detail: 'Too old.', actions: [] });
    const fourth = await gateway.visit();
    expect(await fourth.hear('resume')).toEqual({ type: 'resume', session: 's', ticket: 'T3' });
  });

  it('asks for another ticket when the first was used already, but not for ever', async () => {
    const client = makeClient();
    const over = client.start();
    for (const ticket of ['T1', 'T2', 'T3']) {
      const visit = await gateway.visit();
      expect(await visit.hear('start')).toMatchObject({ ticket });
      visit.say({ type: 'refused', code: 'ticketStale', detail: 'Used.', actions: [] });
    }
    expect(await over).toMatchObject({ phase: 'refused', refusal: { code: 'ticketStale' } });
  });

  it('says start again, with the same session, when the answer to it was lost', async () => {
    const client = makeClient();
    void client.start();
    const visit = await gateway.visit();
    const first = await visit.hear('start');
    visit.cut();
    const again = await (await other.visit()).hear('start');
    expect(again).toEqual({ ...first, ticket: 'T2' });
  });

  it('is noticed by its silence, and the dead connection is left', async () => {
    const client = makeClient();
    const live = client.start();
    const visit = await gateway.visit();
    await visit.hear('start');
    visit.say(started({ intervalMs: 20, timeoutMs: 60 }));
    await live;
    await (await other.visit()).hear('resume');
    await visit.closed;
  });

  it('carries the pause and the stop that were said while it was away', async () => {
    const client = makeClient();
    (await makeLive(client)).cut();
    await until(client, ({ connection }) => connection.is !== 'open');
    client.pause();
    const second = await other.visit();
    await second.hear('resume');
    second.say(started({ resumed: true, state: 'recording' }));
    expect(await second.hear('beat')).toMatchObject({ state: 'paused' });
    second.cut();
    await until(client, ({ connection }) => connection.is !== 'open');
    const over = client.stop();
    const third = await gateway.visit();
    await third.hear('resume');
    third.say(started({ resumed: true, state: 'paused' }));
    await third.hear('stop');
    // The `ended` is lost too; the next resume is told that it is over.
    third.cut();
    const fourth = await other.visit();
    await fourth.hear('resume');
    fourth.say({ type: 'refused', code: 'sessionEnded', detail: 'It is over.', actions: [] });
    expect((await over).phase).toBe('ended');
  });

  it('saves once when a stop is repeated after a resume, and repeats its answer', async () => {
    const notices: StopNotice[] = [];
    const client = makeClient({ onStop: (notice) => void notices.push(notice) });
    const visit = await makeLive(client);
    visit.say(stopping());
    await visit.hear('saved');
    visit.cut();
    const back = await other.visit();
    await back.hear('resume');
    back.say(started({ resumed: true }), stopping());
    expect(await back.hear('saved')).toEqual({ type: 'saved', ok: true });
    expect(notices).toHaveLength(1);
    expect(client.getState().phase).toBe('stopping');
  });

  it('goes elsewhere when its gateway drains', async () => {
    const client = makeClient();
    const visit = await makeLive(client);
    visit.say({ type: 'draining', retryAfterMs: 30 });
    await until(client, ({ connection }) => connection.is === 'open' && connection.draining);
    await (await other.visit()).hear('resume');
    await visit.closed;
  });

  it('goes on under the same id when the server does not know the session any more', async () => {
    const client = makeClient();
    (await makeLive(client)).cut();
    const second = await other.visit();
    await second.hear('resume');
    second.say({ type: 'refused', code: 'sessionUnknown', detail: 'Never heard.', actions: [] });
    expect(await (await other.visit()).hear('start')).toMatchObject({ session: 's', ticket: 'T2' });
  });

  it('keeps recording and comes back when the meter cannot answer for a while', async () => {
    const client = makeClient({ onStop: () => Promise.reject(new Error('must not be called')) });
    (await makeLive(client)).cut();
    const second = await other.visit();
    await second.hear('resume');
    second.say({ type: 'refused', code: 'meterUnavailable', detail: 'Down.', actions: [] });
    await (await gateway.visit()).hear('resume');
    expect(client.getState()).toMatchObject({ phase: 'recording', save: 'none' });
  });
});

describe('a gateway that turns connections away', () => {
  it('is asked for the reason after three failures, and a 403 is believed', async () => {
    gateway.turnAway(403, { code: 'originNotAllowed', detail: 'https://x is not on the list.' });
    const client = makeClient({ urls: [gateway.url] });
    expect(await client.start()).toMatchObject({
      phase: 'refused',
      refusal: { code: 'originNotAllowed', detail: 'https://x is not on the list.' },
    });
    expect(gateway.turnedAway).toBeGreaterThanOrEqual(3);
  });

  it('is tried again when it is only full, and the reason is shown meanwhile', async () => {
    gateway.turnAway(503, { code: 'full', detail: 'The gateway is full.' });
    const client = makeClient({ urls: [gateway.url] });
    const live = client.start();
    await until(client, ({ problem }) => problem === 'The gateway is full.');
    gateway.turnAway(null);
    const visit = await gateway.visit();
    await visit.hear('start');
    visit.say(started());
    expect(await live).toMatchObject({ phase: 'recording', problem: null });
  });
});

describe('a reload', () => {
  it('resumes the session that the store still holds, its stopwatch too', async () => {
    const store = memoryCheckpointStore();
    store.save({ session: 'before', checkpoint: 'c7', recordedMs: 35_000, savedAt: 1 });
    const client = makeClient({ store });
    const live = client.start();
    const visit = await gateway.visit();
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
    const client = makeClient({ store });
    void client.start();
    const visit = await gateway.visit();
    await visit.hear('resume');
    visit.say({ type: 'refused', code: 'sessionEnded', detail: 'Over.', actions: [] });
    const again = await gateway.visit();
    expect(await again.hear('start')).toMatchObject({ session: 's', ticket: 'T1' });
    again.say(started());
    await until(client, ({ phase }) => phase === 'recording');
    expect(client.recordedMs).toBeLessThan(35_000);
  });
});

describe('a ticket that cannot be had', () => {
  it('is a refusal with the words of the backend, before the session is live', async () => {
    const client = makeClient({ getTicket: () => Promise.reject(new Error('Please sign in.')) });
    expect(await client.start()).toMatchObject({
      phase: 'refused',
      refusal: { code: 'ticketUnavailable', detail: 'Please sign in.' },
    });
  });
});
