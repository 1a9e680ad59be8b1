/** Opcodes, reserved bits, masks and lengths: section 5.2 of RFC 6455. */
import { MAX_FIRST_MESSAGE_BYTES } from '../../../core/protocol/limits.ts';
import { frame, NO_MASK, Opcode, ping, text, ZERO_MASK } from '../raw/frame.ts';
import type { Case, Outcome } from './case.ts';
import { CUT_BY_UWS, START, startOf, TAKEN, UNMASKED_BY_UWS } from './words.ts';

const RESERVED: Case[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) =>
  [true, false].map((fin) => ({
    name: `the reserved opcode ${opcode}${fin ? '' : ', as a fragment'}`,
    section: '5.2',
    sends: [frame({ opcode, fin, payload: 'x' })],
    outcome: 'close 1002' as const,
    ...CUT_BY_UWS,
  })),
);

const NAMES = Object.entries(Opcode);
const RSV: Case[] = NAMES.flatMap(([name, opcode]) =>
  [1, 2, 3, 4, 5, 6, 7].map((rsv) => ({
    name: `the reserved bits ${rsv.toString(2).padStart(3, '0')} on ${name}`,
    section: '5.2',
    sends: [frame({ opcode, rsv, payload: 'xx' })],
    outcome: 'close 1002' as const,
    ...CUT_BY_UWS,
  })),
);

const UNMASKED: Case[] = NAMES.filter(([name]) => name !== 'continuation').flatMap(
  ([name, opcode]) =>
    [0, 2, 125].map((bytes) => ({
      name: `${name} of ${bytes} bytes without a mask`,
      section: '5.1',
      sends: [frame({ opcode, mask: NO_MASK, payload: Buffer.alloc(bytes, 0x20) })],
      outcome: 'close 1002' as const,
      ...UNMASKED_BY_UWS,
    })),
);

const MASKS: Case[] = [
  ZERO_MASK,
  1,
  0xff,
  0xff00,
  0xff0000,
  0xff000000,
  0xffffffff,
  0x20202020,
].map((mask) => ({
  name: `the mask ${mask.toString(16).padStart(8, '0')}`,
  section: '5.3',
  sends: [text(START, { mask })],
  ...TAKEN,
}));

/** Masks are applied in words of 4 or 8 bytes: every remainder is tried. */
const REMAINDERS: Case[] = [...Array(17).keys()].map((more) => ({
  name: `a mask over ${START.length + more} bytes`,
  section: '5.3',
  sends: [text(startOf(START.length + more))],
  ...TAKEN,
}));

const HELD = [
  ...[125, 126, 127, 128, 255, 256, 257, 511, 1_023, 1_024, 2_048, 4_095, 4_096, 4_097, 8_192],
  ...[16_383, MAX_FIRST_MESSAGE_BYTES],
].map((bytes) => ({
  name: `a first message of ${bytes} bytes`,
  section: '5.2',
  sends: [text(startOf(bytes))],
  ...TAKEN,
}));

const TOO_BIG: Case[] = [16_385, 16_386, 20_000, 32_768, 65_535, 65_536].map((bytes) => ({
  name: `a first message of ${bytes} bytes`,
  section: '10.4',
  sends: [text(startOf(bytes))],
  outcome: 'close 1009' as const,
}));
const FAR_TOO_BIG: Case[] = [65_537, 65_600, 131_072, 1_000_000].map((bytes) => ({
  name: `a first message of ${bytes} bytes`,
  section: '10.4',
  sends: [text(startOf(bytes))],
  outcome: 'close 1009' as const,
  differs: {
    uws: { outcome: 'cut', why: 'four times the limit: it cuts without a word, as 7.1.7 lets it' },
  },
}));

const SAID: Case[] = (
  [
    ['2^20', 2n ** 20n],
    ['2^31', 2n ** 31n],
    ['2^32', 2n ** 32n],
    ['2^32 + 1', 2n ** 32n + 1n],
    ['2^53', 2n ** 53n],
    ['2^62', 2n ** 62n],
    ['2^63 − 1', 2n ** 63n - 1n],
    ['2^63, whose first bit must be 0', 2n ** 63n],
    ['2^64 − 1', 2n ** 64n - 1n],
  ] as const
).flatMap(([words, saidLength]) =>
  [Opcode.text, Opcode.binary].map((opcode) => ({
    name: `a ${opcode === 1 ? 'text' : 'binary'} frame that says it has ${words} bytes`,
    section: '5.2',
    sends: [frame({ opcode, saidLength, payload: 'x' })],
    outcome: ['close 1009', 'close 1002'] as const,
    differs: {
      uws: { outcome: 'cut' as const, why: 'it cuts without a word, as 7.1.7 lets it' },
    },
  })),
);

/** "The minimal number of bytes MUST be used": said to senders; a receiver may be lenient. */
const NOT_MINIMAL: Case[] = ([16, 64] as const).flatMap((lengthBits) =>
  [START.length, 125, ...(lengthBits === 64 ? [126, 4_096] : [])].map((bytes) => ({
    name: `${bytes} bytes with a length of ${lengthBits} bits`,
    section: '5.2',
    sends: [text(startOf(bytes), { lengthBits })],
    ...TAKEN,
    outcome: ['close 4501', 'close 1002'] as readonly Outcome[],
    hears: '',
  })),
);

const whole = text(startOf(200));
const SPLIT: Case[] = [...Array(12).keys()].map((i) => ({
  name: `a frame that comes in two pieces, the first of ${i + 1} bytes`,
  section: '5.2',
  sends: [whole.subarray(0, i + 1), whole.subarray(i + 1)],
  ...TAKEN,
}));
const short = text(START);
const EARLY_LOST_BY_UWS = {
  uws: {
    outcome: 'open',
    why: 'it drops what comes before its answer, and 4.1 has a client wait for that answer',
  },
} as const;
const BYTE_BY_BYTE: Case[] = [
  {
    name: 'a frame that comes byte by byte',
    section: '5.2',
    sends: [...short].map((byte) => Uint8Array.of(byte)),
    ...TAKEN,
  },
  {
    name: 'a frame in one piece with the handshake',
    section: '4.1',
    isEarly: true,
    sends: [short],
    ...TAKEN,
    differs: EARLY_LOST_BY_UWS,
  },
  {
    name: 'two pings in one piece with the handshake',
    section: '4.1',
    isEarly: true,
    sends: [Buffer.concat([ping('a'), ping('b')])],
    outcome: 'open',
    differs: EARLY_LOST_BY_UWS,
  },
];

const NOT_WHOLE: Case[] = [1, 2, 3, 5, 6, 8, 50].map((bytes) => ({
  name: `the first ${bytes} bytes of a frame and nothing more`,
  section: '5.2',
  sends: [whole.subarray(0, bytes)],
  outcome: 'silent' as const,
}));

export const FRAME_CASES: readonly Case[] = [
  ...[...RESERVED, ...RSV, ...UNMASKED, ...MASKS, ...REMAINDERS, ...HELD, ...TOO_BIG],
  ...[...FAR_TOO_BIG, ...SAID, ...NOT_MINIMAL, ...SPLIT, ...BYTE_BY_BYTE, ...NOT_WHOLE],
];
