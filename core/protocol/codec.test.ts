import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClientMessage, decodeServerMessage, encode } from './codec.ts';
import { MAX_DEPTH, MAX_METADATA_BYTES } from './limits.ts';
import type { Beat, ClientMessage, Expiry, Reading, ServerMessage, Start } from './messages.ts';

const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/);
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,63}$/) as fc.Arbitrary<never>;
const token = fc.string({ minLength: 1 });
const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((n) => n + 0);
const nullable = <T>(inner: fc.Arbitrary<T>) => fc.option(inner, { nil: null });
const some = { requiredKeys: [] } as { requiredKeys: [] };
const metadata = fc
  .dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), { maxKeys: 8 })
  .map((entries) => ({ ...entries }));
const state = fc.constantFrom('recording' as const, 'paused' as const);

const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc
    .record({ ticket: token, session: id, plannedMs: whole, metadata }, some)
    .map((fields) => ({ type: 'start' as const, ...fields })),
  fc
    .tuple(id, fc.record({ checkpoint: token, ticket: token, capturedMs: whole }, some))
    .map(([session, fields]) => ({ type: 'resume' as const, session, ...fields })),
  fc
    .tuple(whole, fc.record({ state, capturedMs: whole }, some))
    .map(([seq, fields]) => ({ type: 'beat' as const, seq, ...fields })),
  fc
    .record({ capturedMs: whole, reason: fc.string() }, some)
    .map((fields) => ({ type: 'stop' as const, ...fields })),
  fc
    .tuple(fc.boolean(), fc.record({ capturedMs: whole, detail: fc.string() }, some))
    .map(([ok, fields]) => ({ type: 'saved' as const, ok, ...fields })),
);

const reading: fc.Arbitrary<Reading> = fc.record({
  binding: name,
  sessionMs: whole,
  usedMs: whole,
  limitMs: nullable(whole),
  remainingMs: nullable(whole),
  percent: amount,
  source: name,
  extraRemainingMs: whole,
  burnRate: amount,
  endsAt: nullable(whole),
  periodEndsAt: nullable(whole),
  at: whole,
});
const threshold = fc.oneof(fc.record({ percent: amount }), fc.record({ remainingMs: whole }));
const warningState = { id: token, threshold, scope: name };
const actions = fc.array(
  fc
    .tuple(name, fc.record({ url: fc.string(), package: fc.string(), until: whole }, some))
    .map(([type, fields]) => ({ type, ...fields })),
  { maxLength: 4 },
);
const bySource = fc.record({ planMs: whole, extraMs: whole, overageMs: whole });
const summary = fc.record({
  recordedMs: whole,
  overshootMs: whole,
  bySource,
  startedAt: whole,
  endedAt: whole,
});
const extraExpires = fc.record({ at: whole, ms: whole });
const of = <T extends string>(type: T) => fc.constant(type);
const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  fc.record({
    type: of('started'),
    speed: amount.filter((n) => n > 0),
    extraExpires: nullable(extraExpires),
    session: id,
    epoch: whole,
    resumed: fc.boolean(),
    state,
    intervalMs: whole,
    timeoutMs: whole,
    saveWindowMs: whole,
    checkpoint: token,
    reading,
    warnings: fc.array(fc.record(warningState), { maxLength: 4 }),
  }),
  fc.record({ type: of('tick'), seq: whole, reading, checkpoint: token }),
  fc.record({ type: of('warning'), ...warningState, reading, actions }),
  fc.record({ type: of('recovered'), id: token, reading }),
  fc.record({ type: of('source'), from: name, to: name, reading }),
  fc.record(
    {
      type: of('expiry'),
      id: token,
      notice: name as fc.Arbitrary<Expiry['notice']>,
      extraExpires: nullable(extraExpires),
      expired: extraExpires,
    },
    { requiredKeys: ['type', 'id', 'notice', 'extraExpires'] },
  ),
  fc.record({
    type: of('stop'),
    reason: name,
    binding: name,
    saveWindowMs: whole,
    reading,
    actions,
  }),
  fc.record({ type: of('ended'), session: id, reason: name, checkpoint: token, summary }),
  fc.record(
    {
      ...{ type: of('refused'), code: name, detail: fc.string(), binding: name, reading, actions },
      ended: fc.record({ reason: name, summary }),
    },
    { requiredKeys: ['type', 'code', 'detail', 'actions'] },
  ),
  fc.record({ type: of('queued'), position: whole, retryAfterMs: whole }),
  fc.record({ type: of('draining'), retryAfterMs: whole }),
  fc.record({ type: of('error'), code: name, detail: fc.string(), fatal: fc.boolean() }),
);

const detailOf = (text: string) => {
  const message = decodeClientMessage(text);
  return message.type === 'bad' ? message.detail : `accepted: ${text}`;
};

describe('codec', () => {
  it('gives back every client message it wrote', () => {
    fc.assert(
      fc.property(clientMessage, (message) => {
        const { ['__proto__']: _dropped, ...kept } = (message as Start).metadata ?? {};
        const expected = 'metadata' in message ? { ...message, metadata: kept } : message;
        expect(decodeClientMessage(encode(message))).toEqual(expected);
      }),
    );
  });

  it('gives back every server message it wrote', () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        expect(decodeServerMessage(encode(message))).toEqual(message);
      }),
    );
  });

  it('never throws, whatever arrives', () => {
    const junk = fc.oneof(
      fc.string(),
      fc.json({ maxDepth: 8 }),
      fc.tuple(clientMessage, fc.dictionary(fc.string(), fc.jsonValue())).map(([message, more]) =>
        // Known fields overwritten with anything, and fields nobody knows.
        JSON.stringify({ ...message, ...more, seq: more.seq ?? 'x' }),
      ),
      fc.tuple(encoded(clientMessage), whole).map(([text, at]) => text.slice(0, at % text.length)),
    );
    fc.assert(
      fc.property(junk, (text) => {
        for (const message of [decodeClientMessage(text), decodeServerMessage(text)]) {
          expect(typeof message.type).toBe('string');
          if (message.type === 'bad') expect(message.detail.length).toBeLessThan(300);
        }
      }),
    );
  });

  it('keeps only what the protocol names, at every level', () => {
    fc.assert(
      fc.property(serverMessage, id, (message, key) => {
        const wide = JSON.stringify(message, (_, value) =>
          value !== null && typeof value === 'object' && !Array.isArray(value)
            ? { ...value, [`x${key}`]: 1 }
            : value,
        );
        expect(decodeServerMessage(wide)).toEqual(message);
      }),
    );
  });

  it('treats prototype names as words like any other', () => {
    for (const type of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(detailOf(`{"type":"${type}"}`)).toMatch(/is not a type of message here/);
    }
    const text =
      '{"type":"beat","seq":1,"__proto__":{"state":"paused"},"constructor":{"prototype":{}}}';
    const message = decodeClientMessage(text) as Beat;
    expect(Object.keys(message)).toEqual(['type', 'seq']);
    expect(message.state).toBeUndefined();
    const start = decodeClientMessage(
      '{"type":"start","metadata":{"__proto__":"x","room":"7"}}',
    ) as Start;
    expect(Object.keys(start.metadata!)).toEqual(['room']);
  });

  it('says what was wrong, what belongs there, and the value that was there', () => {
    expect(detailOf('{"type":"beat","seq":"7"}')).toBe(
      'beat.seq must be an integer of 0 or more, not "7".',
    );
    expect(detailOf('{"type":"beat"}')).toBe(
      'beat.seq is missing: it must be an integer of 0 or more.',
    );
    expect(detailOf('{"type":"beat","seq":1,"state":"asleep"}')).toBe(
      'beat.state must be one of recording, paused, not "asleep".',
    );
    expect(detailOf('{"type":"pause"}')).toBe(
      '"pause" is not a type of message here. It is one of start, resume, beat, stop, saved.',
    );
    expect(detailOf('{"type":"resume","session":"../etc"}')).toMatch(
      /^resume.session must be an id/,
    );
    expect(detailOf('[1]')).toBe('A message is a JSON object with a type, not a list.');
    expect(detailOf('{}')).toMatch(/^The message has no type/);
  });

  it.each(['-1', '1.5', '1e400', 'null', 'true', '"1"', '[]', '{}', '9007199254740992'])(
    'refuses %s as a duration',
    (value) => {
      expect(detailOf(`{"type":"beat","seq":0,"capturedMs":${value}}`)).toMatch(
        /^beat.capturedMs must be an integer/,
      );
    },
  );

  it('never repeats the text it could not parse: it may hold a ticket', () => {
    expect(detailOf('{"type":"start","ticket":"eyJhbGciOi}')).not.toMatch(/eyJ/);
  });

  it('allows unknown fields down to the depth limit and no deeper', () => {
    const nest = (levels: number): unknown => (levels === 0 ? 1 : { a: nest(levels - 1) });
    const text = (levels: number) => JSON.stringify({ type: 'stop', x: nest(levels) });
    expect(decodeClientMessage(text(MAX_DEPTH - 1))).toEqual({ type: 'stop' });
    expect(detailOf(text(MAX_DEPTH))).toMatch(/at most 4 levels deep/);
    expect(detailOf(`{"type":"stop","x":${'['.repeat(8000)}${']'.repeat(8000)}}`)).toMatch(
      /levels/,
    );
  });

  it('counts metadata in bytes of UTF-8, keys and values together', () => {
    const start = (value: string) => JSON.stringify({ type: 'start', metadata: { ab: value } });
    const room = MAX_METADATA_BYTES - 2;
    expect(decodeClientMessage(start('x'.repeat(room))).type).toBe('start');
    expect(detailOf(start('x'.repeat(room + 1)))).toMatch(/1024 bytes in all, not "1025 bytes"/);
    expect(decodeClientMessage(start('€'.repeat(Math.floor(room / 3)))).type).toBe('start');
    expect(detailOf(start('€'.repeat(Math.ceil(room / 3) + 1)))).toMatch(/bytes in all/);
    expect(decodeClientMessage(start('😀'.repeat(Math.floor(room / 4)))).type).toBe('start');
    expect(detailOf(start('😀'.repeat(Math.ceil(room / 4))))).toMatch(/bytes in all/);
    expect(detailOf('{"type":"start","metadata":{"a":{"b":"c"}}}')).toBe(
      'start.metadata.a must be a string, not an object.',
    );
  });

  it('says of a type that it does not know that it may be newer', () => {
    const weather = '{"type":"weather","is":"fine"}';
    expect(decodeServerMessage(weather)).toMatchObject({ type: 'bad', isUnknownType: true });
    for (const text of ['{"type":7}', '{"type":"tick"}', '{}', '[]', '{']) {
      expect(decodeServerMessage(text)).toMatchObject({ type: 'bad', isUnknownType: false });
    }
  });

  it('takes no speed that time could not be divided by', () => {
    const at = fc.sample(reading, { numRuns: 1, seed: 1 })[0]!;
    const said = (speed: number) =>
      decodeServerMessage(
        JSON.stringify({
          ...{ type: 'started', session: 's', epoch: 1, resumed: false, state: 'recording' },
          ...{ intervalMs: 1, timeoutMs: 1, saveWindowMs: 1, checkpoint: 'c', reading: at },
          ...{ warnings: [], speed },
        }),
      );
    expect(said(60)).toMatchObject({ type: 'started', speed: 60 });
    expect(said(0)).toMatchObject({ detail: 'started.speed must be a number above 0, not 0.' });
  });

  it('obeys a stop for a reason that is newer than this client', () => {
    const text = encode({
      type: 'stop',
      reason: 'limitReached',
      binding: 'organization',
      saveWindowMs: 10_000,
      reading: fc.sample(reading, { numRuns: 1, seed: 1 })[0]!,
      actions: [],
    });
    const message = decodeServerMessage(text.replace('limitReached', 'solarFlare'));
    expect(message).toMatchObject({ type: 'stop', reason: 'solarFlare' });
  });
});

function encoded(messages: fc.Arbitrary<ClientMessage>): fc.Arbitrary<string> {
  return messages.map(encode);
}
