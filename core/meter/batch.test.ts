import { expect, it } from 'vitest';
import { type BatchOptions, createBatch, type Word } from './batch.ts';
import type { BeatItem, BeatReply, BeatsReply } from './commands.ts';

const answer = (totalMs: number): BeatReply => ({
  ...{ status: 'ok', totalMs, chargedMs: totalMs, overshootMs: 0, missingPeriod: null },
  ...{ boundaryDoubted: false, period: 0 },
});

/** A meter whose calls wait until they are answered one by one. */
function stage(options: Partial<BatchOptions> = {}) {
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
  const batch = createBatch({
    meter: { beats },
    monotonicMs: () => now,
    wallMs: () => 0,
    speed: 1,
    told: () => void log.push('told'),
    unanswered: () => void log.push('unanswered'),
    failed: (error) => void log.push(`failed: ${(error as Error).message}`),
    ...options,
  });
  const word = (session: string, totalMs: number, more: Partial<Word> = {}): Word => ({
    ...{ org: 'acme', session, epoch: { generation: 1, counter: 1 }, totalMs, at: 1_000 },
    state: 'recording',
    taken: (reply) => void log.push(`${session} ${totalMs} took ${reply.totalMs}`),
    heard: (reply) => void log.push(`${session} ${totalMs} heard ${reply?.totalMs ?? 'nothing'}`),
    ...more,
  });
  /** until the loop has turned: what was scheduled has run */
  const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
  const pass = (ms: number) => {
    now += ms;
  };
  return { batch, calls, log, word, turn, pass };
}

it('sends the words of one turn of the event loop in one call', async () => {
  const { batch, calls, word, turn } = stage();
  for (const session of ['a', 'b', 'c']) batch.say(word(session, 5));
  await turn();
  expect(calls.map(({ items }) => items.map(({ session }) => session))).toEqual([['a', 'b', 'c']]);
});

it('gathers what comes while a call is under way into the next one', async () => {
  const { batch, calls, word, turn } = stage();
  batch.say(word('a', 5));
  await turn();
  batch.say(word('b', 5));
  await turn();
  batch.say(word('c', 5));
  await turn();
  expect(calls).toHaveLength(1);
  calls[0]!.answer();
  await turn();
  expect(calls[1]!.items.map(({ session }) => session)).toEqual(['b', 'c']);
});

it('lets sessions take their figures before anything follows, and then tells them', async () => {
  const { batch, calls, log, word, turn } = stage();
  batch.say(word('a', 5));
  batch.say(word('b', 7));
  await turn();
  calls[0]!.answer();
  await turn();
  expect(log).toEqual(['a 5 took 5', 'b 7 took 7', 'told', 'a 5 heard 5', 'b 7 heard 7']);
});

it('says how old a total is when it is sent, not when it was said', async () => {
  const { batch, calls, word, turn, pass } = stage({ speed: 60 });
  batch.say(word('a', 5));
  await turn();
  batch.say(word('b', 5));
  pass(100);
  calls[0]!.answer();
  await turn();
  expect(calls.map(({ items }) => items[0]!.ageMs)).toEqual([0, 6_000]);
});

it('covers a word that still waits by a later one of the same owner; both hear the answer', async () => {
  const { batch, calls, log, word, turn } = stage();
  batch.say(word('first', 1));
  await turn();
  batch.say(word('a', 5));
  batch.say(word('a', 9, { state: 'paused' }));
  const later = { generation: 1, counter: 2 };
  batch.say(word('a', 11, { epoch: later }));
  calls[0]!.answer();
  await turn();
  expect(calls[1]!.items.map(({ totalMs, state }) => [totalMs, state])).toEqual([
    [9, 'paused'],
    [11, 'recording'],
  ]);
  calls[1]!.answer();
  await turn();
  expect(log.filter((line) => line.startsWith('a '))).toEqual([
    ...['a 5 took 9', 'a 9 took 9', 'a 11 took 11'],
    ...['a 5 heard 9', 'a 9 heard 9', 'a 11 heard 11'],
  ]);
});

it('tells every word that the meter could not be asked, and goes on', async () => {
  const { batch, calls, log, word, turn } = stage();
  batch.say(word('a', 5));
  batch.say(word('b', 5));
  await turn();
  calls[0]!.fail(new Error('away'));
  await turn();
  expect(log).toEqual(['unanswered', 'a 5 heard nothing', 'b 5 heard nothing']);
  batch.say(word('a', 6));
  await turn();
  expect(calls).toHaveLength(2);
});

it('keeps a record that the script cannot read from holding up the others', async () => {
  const { batch, calls, log, word, turn } = stage();
  const broken = Object.assign(new Error('ERR script: attempt to index a nil value'), {
    name: 'ReplyError',
  });
  for (const session of ['a', 'bad', 'c', 'd', 'e']) batch.say(word(session, 5));
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
  const { batch, calls, word, turn } = stage();
  for (const session of ['a', 'b', 'c']) batch.say(word(session, 5));
  await turn();
  calls[0]!.fail(Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' }));
  await turn();
  expect(calls).toHaveLength(1);
});

it('lets the trouble of one session reach no other', async () => {
  const { batch, calls, log, word, turn } = stage();
  const heard = () => {
    throw new Error('a broke');
  };
  batch.say(word('a', 5, { heard }));
  batch.say(word('b', 5));
  await turn();
  calls[0]!.answer();
  await turn();
  expect(log).toContain('failed: a broke');
  expect(log).toContain('b 5 heard 5');
});

it('sends no more than 500 words in one call', async () => {
  const { batch, calls, word, turn } = stage();
  for (let i = 0; i < 1_200; i++) batch.say(word(`s${i}`, 5));
  for (let i = 0; i < 3; i++) {
    await turn();
    calls[i]!.answer();
  }
  await batch.idle();
  expect(calls.map(({ items }) => items.length)).toEqual([500, 500, 200]);
});

it('is idle when nothing is under way and nothing waits', async () => {
  const { batch, calls, word, turn } = stage();
  await batch.idle();
  let isIdle = false;
  batch.say(word('a', 5));
  void batch.idle().then(() => {
    isIdle = true;
  });
  await turn();
  expect(isIdle).toBe(false);
  calls[0]!.answer();
  await turn();
  expect(isIdle).toBe(true);
});
