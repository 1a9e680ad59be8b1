import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { eventually } from '../local/test-eventually.ts';
import { systemClock } from './clock.ts';
import type { StopNotice } from './state.ts';
import { scriptedBench, until } from './test-client.ts';
import { ended, started, stopping, tick, type Visit } from './test-gateway.ts';

const bench = scriptedBench();

describe('a lost connection', () => {
  it('is taken up at the next gateway with the last checkpoint, without a ticket', async () => {
    const client = bench.makeClient({ capturedMs: () => 7_000 });
    const visit = await bench.makeLive(client);
    visit.say(tick(1), tick(2));
    await visit.hear('beat');
    await visit.hear('beat');
    visit.cut();
    const back = await bench.other.visit();
    expect(await back.hear('resume')).toEqual({
      type: 'resume',
      session: 's',
      checkpoint: 'c2',
      capturedMs: 7_000,
    });
    expect(client.getState().phase).toBe('recording');
    back.say(started({ resumed: true, epoch: 2, checkpoint: 'c3' }));
    await until(client, ({ epoch, connection }) => epoch === 2 && connection.is === 'open');
    expect(bench.tickets).toBe(1);
  });

  it.each([1001, 1012, 4001, 4002, 4005])('comes back after close code %i', async (code) => {
    const client = bench.makeClient();
    (await bench.makeLive(client)).close(code);
    await (await bench.other.visit()).hear('resume');
  });

  it.each([
    [1000, 'normal'],
    [4503, 'superseded'],
    [4507, 'sessionEnded'],
    [4508, 'organizationSuspended'],
    [4512, 'stoppedByOperator'],
  ])('does not come back after %i, and has the recording saved', async (code, reason) => {
    const notices: StopNotice[] = [];
    const client = bench.makeClient({ onStop: (notice) => void notices.push(notice) });
    (await bench.makeLive(client)).close(code);
    await until(client, ({ phase, save }) => phase === 'lost' && save === 'saved');
    expect(notices).toMatchObject([{ reason, saveWindowMs: 0 }]);
    expect(client.getState().stop?.detail).toContain(String(code));
  });

  it('says start again, with the same session, when the answer to it was lost', async () => {
    const client = bench.makeClient();
    void client.start();
    const visit = await bench.gateway.visit();
    const first = await visit.hear('start');
    visit.cut();
    const again = await (await bench.other.visit()).hear('start');
    expect(again).toEqual({ ...first, ticket: 'T2' });
  });

  it('is noticed by its silence, and the dead connection is left', async () => {
    const client = bench.makeClient();
    const live = client.start();
    const visit = await bench.gateway.visit();
    await visit.hear('start');
    visit.say(started({ intervalMs: 20, timeoutMs: 60 }));
    await live;
    await (await bench.other.visit()).hear('resume');
    await visit.closed;
  });

  it('is not waited for where a gateway stands still, but longer each time', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const FASTER = 100;
    const waits: number[] = [];
    const client = bench.makeClient({
      urls: [`ws://127.0.0.1:${port}`],
      clock: {
        ...systemClock,
        nowMs: () => systemClock.nowMs() * FASTER,
        after(ms, run) {
          waits.push(ms);
          return systemClock.after(ms / FASTER, run);
        },
      },
    });
    client.start().catch(() => {});
    const opening = () => waits.filter((ms) => Number.isInteger(ms / 1_000) && ms > 0);
    await eventually(() =>
      expect(opening().slice(0, 5)).toEqual([2_000, 4_000, 8_000, 10_000, 10_000]),
    );
    client.close();
    silent.close();
  });

  it('carries the pause and the stop that were said while it was away', async () => {
    const client = bench.makeClient();
    (await bench.makeLive(client)).cut();
    await until(client, ({ connection }) => connection.is !== 'open');
    client.pause();
    const second = await bench.other.visit();
    await second.hear('resume');
    second.say(started({ resumed: true, state: 'recording' }));
    expect(await second.hear('beat')).toMatchObject({ state: 'paused' });
    second.cut();
    await until(client, ({ connection }) => connection.is !== 'open');
    const over = client.stop();
    const third = await bench.gateway.visit();
    await third.hear('resume');
    third.say(started({ resumed: true, state: 'paused' }));
    await third.hear('stop');
    // The `ended` is lost too; the next resume is told that it is over.
    third.cut();
    const fourth = await bench.other.visit();
    await fourth.hear('resume');
    const { reason, summary } = ended;
    fourth.say({
      ...{ type: 'refused', code: 'sessionEnded', detail: 'It is over.', actions: [] },
      ended: { reason, summary },
    });
    expect(await over).toMatchObject({ phase: 'ended', endReason: reason, summary });
  });

  it('saves once when a stop is repeated after a resume, and repeats its answer', async () => {
    const notices: StopNotice[] = [];
    const client = bench.makeClient({ onStop: (notice) => void notices.push(notice) });
    const visit = await bench.makeLive(client);
    visit.say(stopping());
    await visit.hear('saved');
    visit.cut();
    const back = await bench.other.visit();
    await back.hear('resume');
    back.say(started({ resumed: true }), stopping());
    expect(await back.hear('saved')).toEqual({ type: 'saved', ok: true });
    expect(notices).toHaveLength(1);
    expect(client.getState().phase).toBe('stopping');
  });

  it('goes on saving through a loss, once, and says so on the connection it then has', async () => {
    let save = () => {};
    let calls = 0;
    const onStop = () => {
      calls += 1;
      return new Promise<void>((resolve) => {
        save = resolve;
      });
    };
    const client = bench.makeClient({ onStop });
    const visit = await bench.makeLive(client);
    visit.say(stopping());
    await until(client, (state) => state.save === 'saving');
    visit.cut();
    const back = await bench.other.visit();
    await back.hear('resume');
    back.say(started({ resumed: true }), stopping());
    await until(client, ({ resumed }) => resumed);
    save();
    expect(await back.hear('saved')).toEqual({ type: 'saved', ok: true });
    expect(calls).toBe(1);
  });

  it('is counted by its own stopwatch whole, or, if it was too long, not at all', async () => {
    const client = bench.makeClient();
    const visit = await bench.makeLive(client);
    visit.cut();
    const second = await bench.other.visit();
    await second.hear('resume');
    const before = client.recordedMs;
    second.say(started({ resumed: true, intervalMs: 20, timeoutMs: 60 }));
    await until(client, ({ resumed }) => resumed);
    expect(client.recordedMs).toBeGreaterThanOrEqual(before);
    expect(client.droppedMs).toBe(0);
    second.cut();
    const third = await bench.gateway.visit();
    await third.hear('resume');
    await new Promise((resolve) => setTimeout(resolve, 150));
    third.say(started({ resumed: true, epoch: 3, intervalMs: 20, timeoutMs: 60 }));
    await until(client, ({ epoch }) => epoch === 3);
    expect(client.droppedMs).toBeGreaterThan(80);
  });

  it('goes elsewhere when its gateway drains', async () => {
    const client = bench.makeClient();
    const visit = await bench.makeLive(client);
    visit.say({ type: 'draining', retryAfterMs: 30 });
    await until(client, ({ connection }) => connection.is === 'open' && connection.draining);
    await (await bench.other.visit()).hear('resume');
    await visit.closed;
  });

  it('keeps recording and comes back when the meter cannot answer for a while', async () => {
    const client = bench.makeClient({
      onStop: () => Promise.reject(new Error('must not be called')),
    });
    (await bench.makeLive(client)).cut();
    const second = await bench.other.visit();
    await second.hear('resume');
    second.say({ type: 'refused', code: 'meterUnavailable', detail: 'Down.', actions: [] });
    await (await bench.gateway.visit()).hear('resume');
    expect(client.getState()).toMatchObject({ phase: 'recording', save: 'none' });
  });

  it('goes on recording while tickets are refused as stale: some clock is wrong', async () => {
    const client = bench.makeClient({
      onStop: () => Promise.reject(new Error('must not be called')),
    });
    (await bench.makeLive(client)).cut();
    const stale = (visit: Visit) =>
      visit.say({ type: 'refused', code: 'ticketStale', detail: 'Expired.', actions: [] });
    let visit = await bench.other.visit();
    for (let renewal = 0; renewal < 2; renewal++) {
      await visit.hear('resume');
      stale(visit);
      visit = await bench.other.visit();
    }
    const last = await visit.hear('resume');
    stale(visit);
    const elsewhere = await (await bench.gateway.visit()).hear('resume');
    expect(elsewhere.ticket).not.toBe(last.ticket);
    expect(client.getState()).toMatchObject({ phase: 'recording', save: 'none' });
  });
});
