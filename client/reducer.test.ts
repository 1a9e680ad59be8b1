import { describe, expect, it } from 'vitest';
import type { Expiry, ServerMessage, WarningState } from '../core/protocol/messages.ts';
import { type MeterEvent, reduce } from './reducer.ts';
import { initialState, type MeterState } from './state.ts';
import { ended, reading, started, stopping, tick } from './test-gateway.ts';

const message = (content: ServerMessage, nowMs = 0): MeterEvent => ({
  type: 'message',
  message: content,
  nowMs,
});
const reached = (...events: MeterEvent[]): MeterState =>
  events.reduce(reduce, reduce(initialState, { type: 'requested', session: 's' }));

const w80: WarningState = { id: 'w80', threshold: { percent: 80 }, scope: 'organization' };
const w90: WarningState = { id: 'w90', threshold: { percent: 90 }, scope: 'organization' };
const warning = (state: WarningState, url: string): ServerMessage => ({
  type: 'warning',
  ...state,
  reading: reading(),
  actions: [{ type: 'upgrade', url }],
});

describe('warnings', () => {
  it('are kept once by id, the last words on each', () => {
    const state = reached(
      message(started()),
      message(warning(w80, 'a')),
      message(warning(w90, 'b')),
      message(warning(w80, 'c')),
    );
    expect(state.warnings.map(({ id, actions }) => [id, actions[0]?.url])).toEqual([
      ['w90', 'b'],
      ['w80', 'c'],
    ]);
  });

  it('are after a resume those that the server says hold, with the actions known before', () => {
    const state = reached(
      message(started()),
      message(warning(w80, 'a')),
      message(started({ resumed: true, warnings: [w80, w90] })),
    );
    expect(state.warnings).toEqual([
      { ...w80, actions: [{ type: 'upgrade', url: 'a' }] },
      { ...w90, actions: [] },
    ]);
    expect(reduce(state, message(started({ resumed: true }))).warnings).toEqual([]);
  });

  it('go when they no longer hold', () => {
    const recovered: ServerMessage = { type: 'recovered', id: 'w80', reading: reading() };
    const state = reached(message(started()), message(warning(w80, 'a')), message(recovered));
    expect(state.warnings).toEqual([]);
  });
});

describe('extra minutes that expire', () => {
  const next = { at: 2_000_000, ms: 60_000 };
  const expiry = (over: Partial<Expiry>): ServerMessage => ({
    ...{ type: 'expiry', id: 'e', notice: 'changed', extraExpires: next },
    ...over,
  });

  it('are known from the start, and as they change', () => {
    const state = reached(message(started({ extraExpires: next })));
    expect(state).toMatchObject({ extraExpires: next, expiry: null });
    const later = reduce(state, message(expiry({ extraExpires: null })));
    expect(later).toMatchObject({ extraExpires: null, expiry: null });
    // A gateway of before says nothing of them.
    expect(reduce(state, message(started())).extraExpires).toBeNull();
  });

  it('are told of once a notice, also after a resume', () => {
    const day = reached(message(started()), message(expiry({ id: 'd', notice: 'day' })));
    expect(day.expiry).toMatchObject({ id: 'd', notice: 'day' });
    const again = reduce(day, message(expiry({ id: 'd', notice: 'day' })));
    expect(again.expiry).toBe(day.expiry);
    const gone = expiry({ id: 'x', notice: 'expired', extraExpires: null, expired: next });
    expect(reduce(again, message(gone))).toMatchObject({
      extraExpires: null,
      expiry: { id: 'x', expired: next },
    });
  });
});

describe('phases', () => {
  it('follow the recorder while the session is live', () => {
    const paused = reached(message(started()), {
      type: 'recorder',
      recorder: 'paused',
      nowMs: 4_000,
    });
    expect(paused).toMatchObject({ phase: 'paused', anchor: { sessionMs: 4_000, runs: false } });
    const again = reduce(paused, { type: 'recorder', recorder: 'recording', nowMs: 9_000 });
    expect(again).toMatchObject({ phase: 'recording', anchor: { sessionMs: 4_000, runs: true } });
  });

  it('stay stopping through a resume, with the first word on why', () => {
    const state = reached(
      message(started()),
      message(stopping()),
      message(started({ resumed: true })),
      message(stopping({ reason: 'stoppedByOperator' })),
    );
    expect(state).toMatchObject({ phase: 'stopping', stop: { reason: 'limitReached' } });
  });

  it('keep the stop of the server when the connection is closed for good after it', () => {
    const stop = { reason: 'limitReached', detail: null, binding: null, actions: [] };
    const lost: MeterEvent = {
      type: 'lost',
      stop: { ...stop, saveWindowMs: 0, reading: null, reason: 'superseded' },
      nowMs: 3,
    };
    expect(reached(message(started()), message(stopping()), lost)).toMatchObject({
      phase: 'lost',
      stop: { reason: 'limitReached' },
      summary: null,
    });
    // It ended while the recorder was away, and the server knew how.
    const known = { ...lost, ended: { reason: ended.reason, summary: ended.summary } };
    expect(reached(message(started()), known)).toMatchObject({
      phase: 'lost',
      endReason: 'stopped',
      summary: ended.summary,
    });
  });

  it('begin clean for the next session, and recording', () => {
    const over = reached(
      message(started()),
      message(warning(w80, 'a')),
      { type: 'recorder', recorder: 'paused', nowMs: 1 },
      message(stopping()),
      { type: 'over' },
    );
    const next = reduce({ ...over, speed: 60 }, { type: 'requested', session: 't' });
    expect(next).toEqual({ ...initialState, phase: 'starting', session: 't', speed: 60 });
  });
});

it('never changes the state it was given', () => {
  const freeze = (state: MeterState): MeterState => Object.freeze(state);
  const events = [
    message(started({ warnings: [w80] })),
    message(tick(1)),
    message(warning(w90, 'b')),
    message({ type: 'source', from: 'plan', to: 'extra', reading: reading() }),
    message({ type: 'draining', retryAfterMs: 1 }),
    message({ type: 'error', code: 'badMessage', detail: 'No.', fatal: false }),
    message(stopping()),
  ];
  const state = events.reduce((was, event) => freeze(reduce(was, event)), freeze(initialState));
  expect(state).toMatchObject({ source: { to: 'extra' }, problem: 'No.', phase: 'stopping' });
});
