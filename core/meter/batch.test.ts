import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { BATCH_WINDOW_MS, type BatchOptions, createBatch, type Word } from './batch.ts';
import type { BeatItem, BeatReply, BeatsReply } from './commands.ts';

const answer = (totalMs: number): BeatReply => ({
  ...{ status: 'ok', totalMs, chargedMs: totalMs, overshootMs: 0, missingPeriod: null },
  ...{ boundaryDoubted: false, period: 0 },
});

/** What is to be said of a session, as it stands when it is asked for. */
interface Speaker {
  id: string;
  totalMs: number;
  state: Word['state'];
}
const speaker = (id: string, totalMs = 5): Speaker => ({ id, totalMs, state: 'recording' });

/** A meter whose calls wait until they are answered one by one. */
function stage(options: Partial<BatchOptions<Speaker, Word>> = {}) {
  const calls: { items: BeatItem[]; answer(): void; fail(error: Error): void }[] = [];
  const log: string[] = [];
  const beats = (items: BeatItem[]) =>
    new Promise<BeatsReply>((resolve, reject) => {
      const reply = () => ({
        ...{ now: 1, budgets: [], minutes: [] },
        items: items.map(({ totalMs }) => answer(totalMs)),
      });
      calls.push({ items, answer: () => resolve(reply()), fail: reject });
    });
  let now = 1_000;
  const batch = createBatch<Speaker, Word>({
    meter: { beats },
    monotonicMs: () => now,
    wallMs: () => 0,
    speed: 1,
    word: ({ id, totalMs, state }) => ({
      ...{ org: 'acme', session: id, epoch: { generation: 1, counter: 1 } },
      ...{ totalMs, state, at: 1_000, ageMs: 0 },
    }),
    taken: ({ id }, word, reply) => void log.push(`${id} ${word.totalMs} took ${reply.totalMs}`),
    told: () => void log.push('told'),
    heard: ({ id }, { totalMs }, reply) =>
      void log.push(`${id} ${totalMs} heard ${reply?.totalMs ?? 'nothing'}`),
    unanswered: () => void log.push('unanswered'),
    failed: (error) => void log.push(`failed: ${(error as Error).message}`),
    ...options,
  });
  /** until what is due has run; the window between calls is over by then, or not even begun */
  const turn = () => {
    now += BATCH_WINDOW_MS;
    return sleep(1).then(() => nextTurn());
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { batch, calls, log, turn, pass };
}

it('sends the words of one turn of the event loop in one call', async () => {
  const { batch, calls, turn } = stage();
  for (const session of ['a', 'b', 'c']) batch.say(speaker(session));
  await turn();
  expect(calls.map(({ items }) => items.map(({ session }) => session))).toEqual([['a', 'b', 'c']]);
});

it('gathers what comes while a call is under way into the next one', async () => {
  const { batch, calls, turn } = stage();
  batch.say(speaker('a'));
  await turn();
  batch.say(speaker('b'));
  await turn();
  batch.say(speaker('c'));
  await turn();
  expect(calls).toHaveLength(1);
  calls[0]!.answer();
  await turn();
  expect(calls[1]!.items.map(({ session }) => session)).toEqual(['b', 'c']);
});

it('asks an idle meter at once, and a busy one once a window', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] });
  const { batch, calls } = stage({ monotonicMs: () => performance.now() });
  batch.say(speaker('a'));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toHaveLength(1);
  calls[0]!.answer();
  await vi.advanceTimersByTimeAsync(1);
  batch.say(speaker('b'));
  await vi.advanceTimersByTimeAsync(1);
  batch.say(speaker('c'));
  await vi.advanceTimersByTimeAsync(BATCH_WINDOW_MS - 3);
  expect(calls).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(calls[1]!.items.map(({ session }) => session)).toEqual(['b', 'c']);
  calls[1]!.answer();
  await vi.advanceTimersByTimeAsync(BATCH_WINDOW_MS);
  batch.say(speaker('d'));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toHaveLength(3);
  vi.useRealTimers();
});

it('lets sessions take their figures before anything follows, and then tells them', async () => {
  const { batch, calls, log, turn } = stage();
  batch.say(speaker('a', 5));
  batch.say(speaker('b', 7));
  await turn();
  calls[0]!.answer();
  await turn();
  expect(log).toEqual(['a 5 took 5', 'b 7 took 7', 'told', 'a 5 heard 5', 'b 7 heard 7']);
});

it('says how old a total is when it is sent, not when it was said', async () => {
  const { batch, calls, turn, pass } = stage({ speed: 60 });
  batch.say(speaker('a'));
  pass(100);
  await turn();
  expect(calls[0]!.items[0]!.ageMs).toBe((100 + BATCH_WINDOW_MS) * 60);
});

it('says what there is to say when it is sent, once for all that was said before', async () => {
  const { batch, calls, log, turn } = stage();
  batch.say(speaker('first'));
  await turn();
  const a = speaker('a', 5);
  batch.say(a);
  a.totalMs = 9;
  a.state = 'paused';
  batch.say(a);
  calls[0]!.answer();
  await turn();
  expect(calls[1]!.items.map(({ totalMs, state }) => [totalMs, state])).toEqual([[9, 'paused']]);
  calls[1]!.answer();
  await turn();
  expect(log.filter((line) => line.startsWith('a '))).toEqual(['a 9 took 9', 'a 9 heard 9']);
});

it('tells since when a word waits', async () => {
  const since: number[] = [];
  const { batch, turn, pass } = stage({
    word(_, saidAt) {
      since.push(saidAt);
      return {
        ...{ org: 'acme', session: 'a', at: 0, ageMs: 0, totalMs: 0, state: 'paused' },
        epoch,
      };
    },
  });
  const epoch = { generation: 1, counter: 1 };
  const a = speaker('a');
  batch.say(a);
  pass(3);
  batch.say(a);
  await turn();
  expect(since).toEqual([1_000]);
});

it('tells every word that the meter could not be asked, and goes on', async () => {
  const { batch, calls, log, turn } = stage();
  const a = speaker('a');
  batch.say(a);
  batch.say(speaker('b'));
  await turn();
  calls[0]!.fail(new Error('away'));
  await turn();
  expect(log).toEqual(['unanswered', 'a 5 heard nothing', 'b 5 heard nothing']);
  batch.say(a);
  await turn();
  expect(calls).toHaveLength(2);
});

it('keeps a record that the script cannot read from holding up the others', async () => {
  const { batch, calls, log, turn } = stage();
  const broken = Object.assign(new Error('ERR script: attempt to index a nil value'), {
    name: 'ReplyError',
  });
  for (const session of ['a', 'bad', 'c', 'd', 'e']) batch.say(speaker(session));
  for (let i = 0; i < 9; i++) {
    await turn();
    const call = calls[i];
    if (!call) break;
    if (call.items.some(({ session }) => session === 'bad')) call.fail(broken);
    else call.answer();
  }
  await batch.idle();
  expect(log.filter((line) => line.includes('heard'))).toEqual([
    ...['a 5 heard 5', 'bad 5 heard nothing', 'c 5 heard 5', 'd 5 heard 5', 'e 5 heard 5'],
  ]);
  expect(log.filter((line) => line === 'unanswered')).toHaveLength(1);
});

it('asks nobody apart where Redis itself is in trouble', async () => {
  const { batch, calls, turn } = stage();
  for (const session of ['a', 'b', 'c']) batch.say(speaker(session));
  await turn();
  calls[0]!.fail(Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' }));
  await turn();
  expect(calls).toHaveLength(1);
});

it('lets the trouble of one session reach no other', async () => {
  const { batch, calls, log, turn } = stage({
    heard({ id }) {
      if (id === 'a') throw new Error('a broke');
      log.push(`${id} heard`);
    },
  });
  batch.say(speaker('a'));
  batch.say(speaker('b'));
  await turn();
  calls[0]!.answer();
  await turn();
  expect(log.slice(-2)).toEqual(['failed: a broke', 'b heard']);
});

it('sends no more than 500 words in one call', async () => {
  const { batch, calls, turn } = stage();
  for (let i = 0; i < 1_200; i++) batch.say(speaker(`s${i}`));
  for (let i = 0; i < 3; i++) {
    await turn();
    calls[i]!.answer();
  }
  await batch.idle();
  expect(calls.map(({ items }) => items.length)).toEqual([500, 500, 200]);
});

it('is idle when nothing is under way and nothing waits', async () => {
  const { batch, calls, turn } = stage();
  await batch.idle();
  let isIdle = false;
  batch.say(speaker('a'));
  void batch.idle().then(() => {
    isIdle = true;
  });
  await turn();
  expect(isIdle).toBe(false);
  calls[0]!.answer();
  await turn();
  expect(isIdle).toBe(true);
});
