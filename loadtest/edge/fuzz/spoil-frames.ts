/** Frames that are wrong as frames, and bytes that are wrong as anything. */
import type { Dice } from '../../../core/meter/schedule.ts';
import { type FrameParts, NO_MASK } from '../raw/frame.ts';

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53];

type SpoilOne = (dice: Dice, one: FrameParts) => FrameParts[];

const SPOILS: readonly SpoilOne[] = [
  (dice, one) => [{ ...one, opcode: dice.below(16) }],
  (dice, one) => [{ ...one, rsv: 1 + dice.below(7) }],
  (dice, one) => [{ ...one, fin: one.fin === false || dice.chance(0.5) }],
  (_, one) => [{ ...one, mask: NO_MASK }],
  (dice, one) => [{ ...one, lengthBits: 64, saidLength: dice.pick(LENGTHS) }],
  (dice, one) => [{ ...one, lengthBits: dice.pick([16, 64] as const) }],
  (dice, one) => [{ ...one, opcode: 8 + dice.below(3), payload: Buffer.alloc(dice.below(300), 7) }],
  (dice, one) => Array.from({ length: 2 + dice.below(12) }, () => one),
  () => [],
  (dice, one) => [{ ...one, payload: randomBytes(dice, dice.below(400)) }],
  (dice, one) => [
    { ...one, fin: false },
    ...Array.from({ length: dice.below(40) }, () => ({
      ...{ opcode: 0, fin: false, payload: 'x'.repeat(dice.below(20)) },
    })),
  ],
];

function randomBytes(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.below(256)));
}

export function spoilFrames(dice: Dice, frames: readonly FrameParts[]): FrameParts[] {
  const at = dice.below(frames.length);
  return frames.flatMap((one, i) => (i === at ? dice.pick(SPOILS)(dice, one) : [one]));
}

/** Flips, drops, doubles or inserts some of the bytes of one piece. */
export function spoilBytes(dice: Dice, piece: Buffer): Buffer {
  const at = dice.below(piece.length + 1);
  switch (dice.below(4)) {
    case 0: {
      const flipped = Buffer.from(piece);
      if (at < flipped.length) flipped[at]! ^= 1 << dice.below(8);
      return flipped;
    }
    case 1:
      return Buffer.concat([piece.subarray(0, at), piece.subarray(at + 1 + dice.below(8))]);
    case 2:
      return Buffer.concat([piece.subarray(0, at), piece]);
    default:
      return Buffer.concat([
        piece.subarray(0, at),
        randomBytes(dice, 1 + dice.below(16)),
        piece.subarray(at),
      ]);
  }
}
