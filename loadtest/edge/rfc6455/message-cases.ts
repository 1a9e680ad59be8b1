/** Fragments and UTF-8: sections 5.4 and 8.1 of RFC 6455. */
import { continuation, frame, Opcode, ping, text } from '../raw/frame.ts';
import type { Case } from './case.ts';
import { BROKEN_UTF8, GOOD_TEXTS } from './utf8.ts';
import { CUT_BY_UWS, echoOf, START, startOf, TAKEN } from './words.ts';

/** In so many fragments, whose sizes differ by one at most; the last is final. */
function fragments(payload: Uint8Array, count: number): Buffer[] {
  return [...Array(count).keys()].map((i) => {
    const [from, to] = [i, i + 1].map((it) => Math.floor((it * payload.length) / count));
    const piece = payload.subarray(from, to);
    const fin = i === count - 1;
    return i === 0 ? text(piece, { fin }) : continuation(piece, { fin });
  });
}
const start = Buffer.from(START);

const IN_FRAGMENTS: Case[] = [...Array(16).keys()].map((i) => ({
  name: `a message in ${i + 1} fragments`,
  section: '5.4',
  sends: [Buffer.concat(fragments(start, i + 1))],
  ...TAKEN,
}));
const MANY: Case[] = [17, 32, 100].map((count) => ({
  name: `a message in ${count} fragments`,
  section: '10.4',
  sends: [Buffer.concat(fragments(Buffer.from(startOf(200)), count))],
  outcome: 'close 1008' as const,
  differs: {
    uws: { outcome: 'close 4501', why: 'it limits the bytes of all fragments, not their number' },
  },
}));
const BETWEEN: Case[] = [1, 2, 15].map((count) => ({
  name: `${count} pings between fragments`,
  section: '5.4',
  sends: fragments(start, count + 1).flatMap((it, i) => (i === 0 ? [it] : [ping(`${i}`), it])),
  ...TAKEN,
  pongs: [...Array(count).keys()].map((i) => `${i + 1}`),
}));

const EMPTY: Case[] = [
  ['an empty first fragment', [text('', { fin: false }), continuation(START)]],
  ['an empty last fragment', [text(START, { fin: false }), continuation('')]],
  [
    'an empty fragment within',
    [
      text(START.slice(0, 3), { fin: false }),
      continuation('', { fin: false }),
      continuation(START.slice(3)),
    ],
  ],
].map(([name, sends]) => ({
  ...{ name: name as string, section: '5.4', sends: sends as Buffer[] },
  ...TAKEN,
}));

const ORDER: Case[] = (
  [
    ['a continuation of nothing', [continuation('x')]],
    ['an empty continuation of nothing', [continuation('')]],
    ['a fragment that continues nothing', [continuation('x', { fin: false })]],
    ['a second text within a message', [text('{', { fin: false }), text(START)]],
    ['a second first fragment', [text('{', { fin: false }), text('{', { fin: false })]],
    [
      'a text within a binary message',
      [frame({ opcode: 2, fin: false, payload: 'x' }), text(START)],
    ],
    ['a continuation behind a whole ping', [ping('x'), continuation('x')]],
  ] as const
).map(([name, sends]) => ({
  ...{ name, section: '5.4', sends, outcome: 'close 1002' as const },
  ...CUT_BY_UWS,
}));

const UNFINISHED: Case[] = [
  {
    name: 'a binary message within a text',
    section: '5.4',
    sends: [text('{', { fin: false }), frame({ opcode: Opcode.binary, payload: 'x' })],
    outcome: 'close 1002',
    differs: {
      uws: {
        outcome: 'close 4506',
        why: 'it hands the two on as one binary message: refused as that',
      },
    },
  },
  {
    name: 'a first fragment alone: pings are answered',
    section: '5.4',
    sends: [text(START, { fin: false })],
    outcome: 'open',
  },
  {
    name: 'fragments that are too big together',
    section: '10.4',
    sends: [text(startOf(10_000), { fin: false }), continuation(startOf(10_000))],
    outcome: 'close 1009',
  },
  {
    name: 'fragments that are too big before the last one',
    section: '10.4',
    sends: [...Array(5).keys()].map((i) =>
      i === 0 ? text(startOf(4_000), { fin: false }) : continuation(startOf(4_000), { fin: false }),
    ),
    outcome: 'close 1009',
    differs: {
      uws: {
        outcome: 'open',
        why: 'it judges when four times the limit came, or the last fragment',
      },
    },
  },
  {
    name: 'fragments without an end',
    section: '10.4',
    sends: [...Array(40).keys()].map((i) =>
      i === 0 ? text(startOf(4_000), { fin: false }) : continuation(startOf(4_000), { fin: false }),
    ),
    outcome: 'close 1009',
    differs: { uws: { outcome: 'cut', why: 'four times the limit: it cuts, as 7.1.7 lets it' } },
  },
];

const BINARY: Case[] = [0, 1, 125, 126, 4_096].map((bytes) => ({
  name: `a binary message of ${bytes} bytes`,
  section: '5.6; the protocol has text only',
  sends: [frame({ opcode: Opcode.binary, payload: Buffer.alloc(bytes, 1) })],
  outcome: 'close 4506' as const,
  hears: '"badMessage"',
}));
const BINARY_IN_FRAGMENTS: Case = {
  name: 'a binary message in two fragments',
  section: '5.6; the protocol has text only',
  sends: [frame({ opcode: Opcode.binary, fin: false, payload: 'a' }), continuation('b')],
  outcome: 'close 4506',
};
const NOT_UTF8_BINARY: Case = {
  name: 'a binary message that is no UTF-8 is no fault of its encoding',
  section: '5.6',
  sends: [frame({ opcode: Opcode.binary, payload: Buffer.from([0xff, 0xfe]) })],
  outcome: 'close 4506',
};
const EMPTY_TEXT: Case = {
  name: 'an empty text is heard, and is no message',
  section: '5.6',
  sends: [text('')],
  outcome: 'close 4506',
  hears: 'not JSON',
};

const message = (payload: Uint8Array) =>
  Buffer.concat([Buffer.from('{"type":"'), payload, Buffer.from('"}')]);
const GOOD: Case[] = GOOD_TEXTS.flatMap(([name, payload]) => {
  const bytes = message(Buffer.from(payload));
  return [
    { name: `${name} is heard as it is`, section: '8.1', sends: [text(bytes)], ...echoOf(payload) },
    {
      name: `${name} is heard over fragments that split it`,
      section: '8.1',
      sends: [text(bytes.subarray(0, 10), { fin: false }), continuation(bytes.subarray(10))],
      ...echoOf(payload),
    },
  ];
});
const BROKEN: Case[] = BROKEN_UTF8.flatMap(([name, hex]) => {
  const bytes = message(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const judged = { section: '8.1', outcome: 'close 1007' as const, ...CUT_BY_UWS };
  return [
    { name: `${name} is no UTF-8`, sends: [text(bytes)], ...judged },
    {
      name: `${name} is no UTF-8 over fragments either`,
      sends: [text(bytes.subarray(0, 10), { fin: false }), continuation(bytes.subarray(10))],
      ...judged,
    },
  ];
});

export const MESSAGE_CASES: readonly Case[] = [
  ...[...IN_FRAGMENTS, ...MANY, ...BETWEEN, ...EMPTY, ...ORDER, ...UNFINISHED, ...BINARY],
  ...[BINARY_IN_FRAGMENTS, NOT_UTF8_BINARY, EMPTY_TEXT, ...GOOD, ...BROKEN],
];
