/** Pings, pongs and the closing handshake: sections 5.5 and 7 of RFC 6455. */
import { closing, continuation, frame, Opcode, ping, text, ZERO_MASK } from '../raw/frame.ts';
import type { Case } from './case.ts';
import { BROKEN_UTF8 } from './utf8.ts';
import { BARE_CLOSE_BY_UWS, CUT_BY_UWS, START } from './words.ts';

const CONTROLS = [
  ['close', Opcode.close],
  ['ping', Opcode.ping],
  ['pong', Opcode.pong],
] as const;

const PINGS: Case[] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 124, 125].map((bytes) => ({
  name: `a ping of ${bytes} bytes is answered with the same`,
  section: '5.5.3',
  sends: [ping('p'.repeat(bytes))],
  outcome: 'open' as const,
  pongs: ['p'.repeat(bytes)],
}));
const PING_FORMS: Case[] = [
  {
    name: 'a ping under a mask of zeros',
    sends: [ping('zero', { mask: ZERO_MASK })],
    pongs: ['zero'],
  },
  {
    name: 'a ping byte by byte',
    sends: [...ping('slow')].map((it) => Uint8Array.of(it)),
    pongs: ['slow'],
  },
  {
    name: 'ten pings in one piece',
    sends: [Buffer.concat([...'0123456789'].map((it) => ping(it)))],
    pongs: [...'0123456789'],
  },
  {
    name: 'a pong that nobody asked for',
    sends: [frame({ opcode: Opcode.pong, payload: 'x' })],
    pongs: [],
  },
  {
    name: 'an empty pong that nobody asked for',
    sends: [frame({ opcode: Opcode.pong })],
    pongs: [],
  },
  {
    name: 'a pong of 125 bytes that nobody asked for',
    sends: [frame({ opcode: Opcode.pong, payload: 'x'.repeat(125) })],
    pongs: [],
  },
  {
    name: 'a pong, then a ping',
    sends: [frame({ opcode: Opcode.pong }), ping('now')],
    pongs: ['now'],
  },
].map((it) => ({ section: '5.5.3', outcome: 'open' as const, ...it }));

const TOO_LONG: Case[] = CONTROLS.flatMap(([name, opcode]) =>
  [126, 127, 1_000, 65_535, 65_536].map((bytes) => ({
    name: `a ${name} of ${bytes} bytes`,
    section: '5.5',
    sends: [frame({ opcode, payload: Buffer.alloc(bytes, 0x20) })],
    outcome: 'close 1002' as const,
    ...CUT_BY_UWS,
  })),
);
const IN_FRAGMENTS: Case[] = CONTROLS.flatMap(([name, opcode]) =>
  [0, 2, 125].map((bytes) => ({
    name: `a ${name} of ${bytes} bytes as a fragment`,
    section: '5.5',
    sends: [frame({ opcode, fin: false, payload: Buffer.alloc(bytes, 0x20) })],
    outcome: 'close 1002' as const,
    ...CUT_BY_UWS,
  })),
);

const GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 4000, 4001, 4500, 4999];
/** For libraries and frameworks (7.4.2), and those registered since RFC 6455 was written. */
const RARE_CODES = [1012, 1013, 1014, 3000, 3999];
const CODES: Case[] = GOOD_CODES.map((code) => ({
  name: `a close with ${code} is answered with the same`,
  section: '7.4',
  sends: [closing(code, 'reason')],
  outcome: `close ${code}` as const,
}));
const LATER_CODES: Case[] = RARE_CODES.map((code) => ({
  name: `a close with ${code} is answered with the same`,
  section: '7.4.2',
  sends: [closing(code)],
  outcome: `close ${code}` as const,
  ...BARE_CLOSE_BY_UWS,
}));
const BAD_CODES: Case[] = [
  ...[0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32_768, 65_535],
].map((code) => ({
  name: `a close with ${code}, which may not be sent`,
  section: '7.4',
  sends: [closing(code)],
  outcome: 'close 1002' as const,
  ...BARE_CLOSE_BY_UWS,
}));

const CLOSES: Case[] = [
  {
    name: 'a close without a code is answered with one without',
    section: '5.5.1',
    sends: [frame({ opcode: Opcode.close })],
    outcome: ['close 1005', 'close 1000'],
  },
  {
    name: 'a close of one byte',
    section: '5.5.1',
    sends: [frame({ opcode: Opcode.close, payload: 'x' })],
    outcome: 'close 1002',
    ...BARE_CLOSE_BY_UWS,
  },
  {
    name: 'a close with the longest reason',
    section: '5.5',
    sends: [closing(1000, 'r'.repeat(123))],
    outcome: 'close 1000',
  },
  {
    name: 'a close with a reason of letters of four bytes',
    section: '5.5.1',
    sends: [closing(1000, '👋'.repeat(30))],
    outcome: 'close 1000',
  },
  {
    name: 'a message behind a close is not heard',
    section: '5.5.1',
    sends: [Buffer.concat([closing(1000), text(START)])],
    outcome: 'close 1000',
  },
  {
    name: 'a ping behind a close is not answered',
    section: '5.5.1',
    sends: [Buffer.concat([closing(1001), ping('late')])],
    outcome: 'close 1001',
    pongs: [],
  },
  {
    name: 'two closes in one piece are answered once',
    section: '5.5.1',
    sends: [Buffer.concat([closing(1000), closing(1001)])],
    outcome: 'close 1000',
  },
  {
    name: 'a close between fragments',
    section: '5.4',
    sends: [Buffer.concat([text('{', { fin: false }), closing(1000), continuation('}')])],
    outcome: 'close 1000',
  },
  {
    name: 'a ping before a close is answered first',
    section: '5.5.2',
    sends: [Buffer.concat([ping('first'), closing(1000)])],
    outcome: 'close 1000',
    pongs: ['first'],
  },
];
const BROKEN_REASONS: Case[] = BROKEN_UTF8.map(([name, hex]) => ({
  name: `a close whose reason has ${name}`,
  section: '5.5.1',
  sends: [closing(1000, Buffer.from(hex.replaceAll(' ', ''), 'hex'))],
  outcome: ['close 1007', 'close 1002'] as const,
  ...BARE_CLOSE_BY_UWS,
}));

export const CONTROL_CASES: readonly Case[] = [
  ...[...PINGS, ...PING_FORMS, ...TOO_LONG, ...IN_FRAGMENTS, ...CODES, ...LATER_CODES],
  ...[...BAD_CODES, ...CLOSES, ...BROKEN_REASONS],
];
