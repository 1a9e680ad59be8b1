import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sessionRow } from '../core/meter/test-rows.ts';
import type { ServerMessage } from '../core/protocol/messages.ts';
import type { Admitted } from './admission.ts';
import type { Caller, Crowded } from './caller.ts';
import { type Connection, createConnection } from './connection.ts';
import { type Refusal, refusal } from './refusal.ts';
import { createLiveSession, type LiveSession, nextTick } from './session.ts';
import { startStopwatch } from './stopwatch.ts';

let sent: ServerMessage[];
let closes: { code: number; reason: string }[];
let heard: string[];
let failed: unknown[];
let session: LiveSession;
let connection: Connection;
let caller: Caller | null;
/** the admission's answer, when the test gives it */
let answer: (admitted: Admitted | Refusal | Crowded) => void;
let bind: (admitted: Admitted, wire: LiveSession['wire']) => void;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  [sent, closes, heard, failed, caller] = [[], [], [], [], null];
  session = createLiveSession({
    row: sessionRow(),
    limits: {
      ...{ saveWindowMs: 1, onMeterFailure: 'continue', meterFailureMs: 1, outageTime: 'charge' },
      ...{ sessionLimitMs: null, sessionLevels: [] },
    },
    trustCaptured: false,
    stopwatch: startStopwatch(0, 0, true),
    at: 0,
  });
  bind = (_, wire) => {
    session.wire = wire;
  };
  const admit = (message: { type: string }, given: Caller) => {
    heard.push(message.type);
    caller = given;
    return new Promise<Admitted | Refusal | Crowded>((resolve) => {
      answer = resolve;
    });
  };
  const hear = (what: string) => () => void heard.push(what);
  connection = createConnection(
    {
      remoteAddress: '203.0.113.7',
      unsentBytes: () => 0,
      terminate: () => {},
      send: (texts) => void sent.push(...texts.map((text) => JSON.parse(text))),
      close: (code, reason) => void closes.push({ code, reason }),
    },
    { ticket: 'T', origin: 'https://app.example' },
    {
      admission: { start: admit, resume: admit },
      hearing: {
        beat: (_, { seq }) => void heard.push(`beat ${seq}`),
        stop: hear('stop'),
        saved: hear('saved'),
        detached: hear('detached'),
      },
      ending: {
        end: async (_: LiveSession, reason: string) => void heard.push(`end ${reason}`),
      } as never,
      bind: (admitted, wire) => bind(admitted, wire),
      monotonicMs: () => performance.now(),
      seats: {
        takeMember: async (org, user) => {
          heard.push(`seat ${org} ${user}`);
          return null;
        },
        leaveMember: (org, user) => void heard.push(`unseat ${org} ${user}`),
      },
      closed: hear('closed'),
      failed: (error) => void failed.push(error),
    },
  );
});
afterEach(() => vi.useRealTimers());

const say = (message: object | string) => {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  connection.message(text, Buffer.byteLength(text));
};
const settle = () => vi.advanceTimersByTimeAsync(0);

async function begin(): Promise<void> {
  say({ type: 'start', ticket: 'T' });
  answer({ session, opened: {} } as Admitted);
  await settle();
  heard.length = 0;
}

describe('before a session', () => {
  it('says nothing for ten seconds, then is closed with 4509', () => {
    vi.advanceTimersByTime(9_999);
    expect(closes).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(sent).toMatchObject([{ type: 'error', code: 'startTimeout', fatal: true }]);
    expect(closes).toEqual([{ code: 4509, reason: 'startTimeout' }]);
    expect(heard).toEqual(['closed']);
  });

  it.each(['start', 'resume'])('a %s is handed on with what came before it', (type) => {
    say({ type, session: 's1' });
    expect(caller).toMatchObject({ ticket: 'T', origin: 'https://app.example' });
    expect(caller!.isAwaited()).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(closes).toEqual([]);
  });

  it('another first message is a mistake', () => {
    say({ type: 'beat', seq: 1 });
    expect(sent).toMatchObject([{ type: 'error', code: 'badMessage', fatal: true }]);
    expect(closes).toEqual([{ code: 4506, reason: 'badMessage' }]);
  });

  it('a refusal is said, then the close; how it closes is not part of it', async () => {
    say({ type: 'start' });
    answer(refusal('limitReached', 'Nothing left.'));
    await settle();
    expect(sent).toEqual([
      { type: 'refused', code: 'limitReached', detail: 'Nothing left.', actions: [] },
    ]);
    expect(closes).toEqual([{ code: 4500, reason: 'limitReached' }]);
  });

  it('what is said before the answer is heard after it, in order', async () => {
    say({ type: 'start' });
    say({ type: 'beat', seq: 0 });
    say({ type: 'stop' });
    expect(heard).toEqual(['start']);
    answer({ session, opened: {} } as Admitted);
    await settle();
    expect(heard).toEqual(['start', 'beat 0', 'stop']);
  });

  it('but not more than sixteen messages', () => {
    say({ type: 'start' });
    for (let i = 0; i <= 16; i++) say({ type: 'stop' });
    expect(closes).toEqual([{ code: 4506, reason: 'badMessage' }]);
    expect(caller!.isAwaited()).toBe(false);
  });

  it('a socket that is gone when it is let in leaves its session to be resumed', async () => {
    say({ type: 'start' });
    connection.closed(1006);
    expect(caller!.isAwaited()).toBe(false);
    answer({ session, opened: {} } as Admitted);
    await settle();
    expect(heard).toEqual(['start', 'closed', 'detached']);
    expect(sent).toEqual([]);
  });

  it('is counted for its member from its first word until it is gone', async () => {
    say({ type: 'start' });
    expect(await caller!.takeSeat('acme', 'ann')).toBeNull();
    await caller!.takeSeat('acme', 'ann');
    connection.closed(1006);
    expect(await caller!.takeSeat('acme', 'ann')).toBeNull();
    expect(heard).toEqual(['start', 'seat acme ann', 'unseat acme ann', 'closed']);
  });

  it('one too many is told to come again later', async () => {
    say({ type: 'start' });
    answer({ crowded: 'This member has 20 connections already.' });
    await settle();
    expect(sent).toMatchObject([{ type: 'error', code: 'tryAgainLater', fatal: true }]);
    expect(closes).toEqual([{ code: 1013, reason: 'tryAgainLater' }]);
  });

  it('what breaks in letting it in closes this one, and ends nothing else', async () => {
    bind = () => {
      throw new Error('broke');
    };
    say({ type: 'start' });
    answer({ session, opened: {} } as Admitted);
    await settle();
    expect(failed).toMatchObject([{ message: 'broke' }]);
    expect(closes).toEqual([{ code: 1013, reason: 'tryAgainLater' }]);
  });
});

describe('with a session', () => {
  beforeEach(begin);

  it('hands on what its recorder says', () => {
    say({ type: 'beat', seq: 0 });
    say({ type: 'stop' });
    say({ type: 'saved', ok: true });
    expect(heard).toEqual(['beat 0', 'stop', 'saved']);
  });

  it.each([
    ['no JSON', 'nonsense'],
    ['an unknown type', { type: 'launch' }],
    ['a second start', { type: 'start' }],
    ['a resume', { type: 'resume', session: 's2' }],
  ])('%s is answered with an error and 4506, and ends the session', (_, message) => {
    say(message);
    expect(sent).toMatchObject([{ type: 'error', code: 'badMessage', fatal: true }]);
    expect(closes).toEqual([{ code: 4506, reason: 'badMessage' }]);
    expect(heard).toContain('end badMessage');
  });

  it('a frame that is no text does too', () => {
    connection.malformed('Messages are text frames; this one was binary.');
    expect(closes).toEqual([{ code: 4506, reason: 'badMessage' }]);
  });

  it('4 KB are the most after the first message', () => {
    const padded = (bytes: number) => {
      const text = JSON.stringify({ type: 'beat', seq: 0, x: '' });
      return text.replace('""', `"${'x'.repeat(bytes - text.length)}"`);
    };
    say(padded(4_096));
    expect(heard).toEqual(['beat 0']);
    say(padded(4_097));
    expect(closes).toEqual([{ code: 1009, reason: 'tooBig' }]);
    expect(sent).toMatchObject([{ type: 'error', code: 'tooBig' }]);
  });

  it('a close detaches it, and nothing is said or heard afterwards', () => {
    connection.close(4001, 'beatTimeout');
    connection.close(4002, 'slowConsumer');
    connection.send({ type: 'tick' });
    say({ type: 'stop' });
    connection.closed(1006);
    expect(heard).toEqual(['detached', 'closed']);
    expect(closes).toEqual([{ code: 4001, reason: 'beatTimeout' }]);
    expect(sent).toEqual([]);
  });

  it('a session that has another wire by now is not detached by this one', () => {
    session.wire = { send: () => {}, close: () => {} };
    connection.close(4503, 'superseded');
    expect(heard).toEqual(['closed']);
  });
});

describe('rates', () => {
  beforeEach(begin);
  const flood = (n: number) => {
    for (let i = 0; i < n; i++) say({ type: 'beat', seq: 0 });
  };

  it('allow twenty messages at once, and ten a second', () => {
    // one was the start
    flood(19);
    vi.advanceTimersByTime(1_000);
    flood(10);
    expect(closes).toEqual([]);
    flood(1);
    expect(sent).toMatchObject([{ type: 'error', code: 'rateLimited', fatal: true }]);
    expect(closes).toEqual([{ code: 4003, reason: 'rateLimited' }]);
  });

  it('do not count one beat a tick', () => {
    for (let i = 0; i < 200; i++) say({ type: 'beat', seq: nextTick(session, i) });
    expect(closes).toEqual([]);
  });

  it('count a second beat to the same tick', () => {
    for (let i = 0; i < 19; i++) {
      const seq = nextTick(session, i);
      say({ type: 'beat', seq });
      say({ type: 'beat', seq });
    }
    expect(closes).toEqual([]);
    say({ type: 'beat', seq: 19 });
    expect(closes).toEqual([{ code: 4003, reason: 'rateLimited' }]);
  });

  it('count beats to ticks that were never sent', () => {
    for (let seq = 1; seq <= 20; seq++) say({ type: 'beat', seq });
    expect(closes).toEqual([{ code: 4003, reason: 'rateLimited' }]);
  });

  it('count pings, which the transport answers', () => {
    for (let i = 0; i < 19; i++) connection.control();
    expect(closes).toEqual([]);
    connection.control();
    expect(closes).toEqual([{ code: 4003, reason: 'rateLimited' }]);
  });

  it('leave the session to be resumed', () => {
    flood(30);
    expect(heard.filter((what) => !what.startsWith('beat'))).toEqual(['detached', 'closed']);
  });
});
