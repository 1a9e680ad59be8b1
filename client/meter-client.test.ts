import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '../local/test-eventually.ts';
import { MeterClient } from './meter-client.ts';
import type { StopNotice } from './state.ts';
import { scriptedBench, until } from './test-client.ts';
import { ended, reading, started, stopping, tick } from './test-gateway.ts';

const bench = scriptedBench();

describe('a meter client', () => {
  it('starts with the subprotocol, the ticket in the first message, and an id of its own', async () => {
    const client = bench.makeClient({ plannedMs: 600_000, metadata: { room: '7' } });
    const live = client.start();
    const visit = await bench.gateway.visit();
    expect(visit.protocols).toBe('taximeter.v1');
    expect(await visit.hear('start')).toEqual({
      type: 'start',
      ticket: 'T1',
      session: 's',
      plannedMs: 600_000,
      metadata: { room: '7' },
    });
    visit.say(started());
    expect((await live).phase).toBe('recording');
    expect(client.getState()).toMatchObject({ session: 's', epoch: 1, connection: { is: 'open' } });
  });

  it('answers every tick with a beat, before any listener hears of it', async () => {
    const order: string[] = [];
    const client = bench.makeClient({
      capturedMs: () => {
        order.push('beat');
        return 4_321.4;
      },
      onMessage: ({ type }) => order.push(`message ${type}`),
    });
    client.subscribe((_, event) => {
      if (event.type === 'message') order.push(`state ${event.message.type}`);
    });
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started());
    order.length = 0;
    visit.say(tick(7, { sessionMs: 5_000 }));
    expect(await visit.hear('beat')).toEqual({ type: 'beat', seq: 7, capturedMs: 4_321 });
    await eventually(() => expect(order.at(-1)).toBe('message tick'));
    expect(client.acknowledgedMs).toBe(5_000);
    expect(order.slice(-3)).toEqual(['beat', 'state tick', 'message tick']);
  });

  it('says pause and resume at once, and the session time stands between them', async () => {
    const client = bench.makeClient();
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started(), tick(3));
    await visit.hear('beat');
    client.pause();
    expect(await visit.hear('beat')).toEqual({ type: 'beat', seq: 3, state: 'paused' });
    expect(client.getState().phase).toBe('paused');
    const [recordedMs, sessionMs] = [client.recordedMs, client.at().sessionMs];
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([client.recordedMs, client.at().sessionMs]).toEqual([recordedMs, sessionMs]);
    client.resume();
    expect(await visit.hear('beat')).toMatchObject({ state: 'recording' });
  });

  it('tells a recorder state that the meter does not have, as soon as it is live', async () => {
    const client = bench.makeClient();
    client.pause();
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started());
    expect(await visit.hear('beat')).toEqual({ type: 'beat', seq: 0, state: 'paused' });
    expect(client.getState().phase).toBe('paused');
    expect(client.recordedMs).toBe(0);
  });

  it('stops, and is over with the summary', async () => {
    const client = bench.makeClient({ capturedMs: () => 11_990 });
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started());
    await until(client, ({ phase }) => phase === 'recording');
    const over = client.stop('done');
    expect(await visit.hear('stop')).toEqual({ type: 'stop', capturedMs: 11_990, reason: 'done' });
    visit.say(ended);
    expect(await over).toMatchObject({ phase: 'ended', endReason: 'stopped', stop: null });
    expect(client.acknowledgedMs).toBe(12_000);
    await visit.closed;
  });

  it('saves when it must stop, and only then says that it has', async () => {
    let save = () => {};
    const notices: StopNotice[] = [];
    const client = bench.makeClient({
      onStop: (notice) => {
        notices.push(notice);
        return new Promise<void>((resolve) => {
          save = resolve;
        });
      },
    });
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    const full = reading({ usedMs: 60_000, remainingMs: 0, percent: 100 });
    visit.say(
      started(),
      { ...tick(9), reading: full },
      {
        type: 'warning',
        id: 'w100',
        threshold: { percent: 100 },
        scope: 'organization',
        reading: full,
        actions: [],
      },
      stopping({ actions: [{ type: 'buyExtraMinutes' }] }),
    );
    expect(await visit.hear('beat')).toMatchObject({ seq: 9 });
    await until(client, (state) => state.save === 'saving');
    expect(notices).toMatchObject([{ reason: 'limitReached', saveWindowMs: 10_000 }]);
    expect(client.getState()).toMatchObject({ phase: 'stopping', warnings: [{ id: 'w100' }] });
    save();
    expect(await visit.hear('saved')).toEqual({ type: 'saved', ok: true });
    visit.say({ ...ended, reason: 'limitReached' });
    visit.close(4500, 'limitReached');
    await until(client, ({ phase, save }) => phase === 'ended' && save === 'saved');
    expect(notices).toHaveLength(1);
  });

  it('says so when the recording could not be saved', async () => {
    const client = bench.makeClient({
      onStop: () => Promise.reject(new Error('the disk is full')),
    });
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started(), stopping());
    expect(await visit.hear('saved')).toEqual({
      type: 'saved',
      ok: false,
      detail: 'the disk is full',
    });
    expect(client.getState().save).toBe('failed');
  });

  it('shows why it was refused, and does not come back', async () => {
    const client = bench.makeClient();
    const over = client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say({
      type: 'refused',
      code: 'limitReached',
      detail: 'acme has used all of its 60 minutes.',
      binding: 'organization',
      actions: [{ type: 'upgrade', url: 'https://example.test' }],
    });
    visit.close(4500, 'limitReached');
    expect(await over).toMatchObject({
      phase: 'refused',
      refusal: { code: 'limitReached', detail: 'acme has used all of its 60 minutes.' },
    });
  });

  it('waits in the queue for its turn', async () => {
    const client = bench.makeClient();
    const live = client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say({ type: 'queued', position: 2, retryAfterMs: 1_000 });
    await until(client, ({ phase, queue }) => phase === 'queued' && queue?.position === 2);
    visit.say(started());
    expect(await live).toMatchObject({ phase: 'recording', queue: null });
  });

  it('gives its place in the queue up when it is closed', async () => {
    const client = bench.makeClient();
    const live = client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say({ type: 'queued', position: 2, retryAfterMs: 1_000 });
    await until(client, ({ phase, queue }) => phase === 'queued' && queue?.position === 2);
    client.close();
    expect(await live).toMatchObject({ phase: 'detached', queue: null });
    expect(await visit.closed).toBe(1000);
  });

  it('takes what it has no word for as no problem, skips what it cannot read, and goes on', async () => {
    const client = bench.makeClient();
    const visit = await bench.makeLive(client);
    // Of a server that is newer than this client.
    visit.sayRaw('{"type":"confetti","pieces":1000,"deep":{"er":{"and":{"deeper":{}}}}}');
    visit.say(tick(1));
    expect(await visit.hear('beat')).toMatchObject({ seq: 1 });
    expect(client.getState().problem).toBeNull();
    visit.sayRaw('{"type":5}');
    visit.say(tick(2));
    await visit.hear('beat');
    expect(client.getState().problem).toMatch(/5 is not a type/);
    visit.sayRaw('}');
    visit.say(tick(3));
    expect(await visit.hear('beat')).toMatchObject({ seq: 3 });
    expect(client.getState().problem).toMatch(/not JSON/);
  });

  it('counts at the speed that the gateway says, whatever it was told', async () => {
    for (const told of [undefined, 7]) {
      const client = bench.makeClient(told === undefined ? {} : { speed: told });
      const live = client.start();
      const visit = await bench.gateway.visit();
      await visit.hear('start');
      visit.say(started({ speed: 60 }));
      await live;
      expect(client.getState().speed).toBe(60);
      const now = performance.now();
      const passed = client.at(now + 1_000).sessionMs - client.at(now).sessionMs;
      expect(passed).toBeCloseTo(60_000);
      const before = client.recordedMs;
      await eventually(() => expect(client.recordedMs - before).toBeGreaterThan(600));
      client.close();
    }
  });

  it('keeps listeners that fail from the beat', async () => {
    const failures: unknown[] = [];
    const keep = (error: unknown) => failures.push(error);
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').once('uncaughtException', keep);
    const client = bench.makeClient();
    const end = client.subscribe((_, event) => {
      if (event.type === 'message' && event.message.type === 'tick') throw new Error('view');
    });
    void client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started(), tick(1));
    await visit.hear('beat');
    await eventually(() => expect(failures).toHaveLength(1));
    end();
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
    visit.say(tick(2));
    await visit.hear('beat');
  });

  it('refuses options that cannot work, with a sentence', () => {
    expect(() => bench.makeClient({ urls: ['meter'] })).toThrow(/is a URL such as/);
    expect(() => bench.makeClient({ urls: ['ftp://meter.example'] })).toThrow(/not by ftp:/);
    expect(() => new MeterClient({ urls: [bench.gateway.url], WebSocket })).toThrow(/getTicket/);
  });
});
