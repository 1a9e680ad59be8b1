/**
 * A client's half of RFC 6455, as little of it as a load needs: the crowd must cost less than the
 * servers it measures. Servers here send whole frames, unmasked, without extensions.
 */
export const Opcode = { text: 1, close: 8, ping: 9, pong: 10 } as const;

const FINAL_BIT = 0x80;
const MASK_BIT = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

/**
 * One masked frame. The mask is zero, which is a mask like any other to the server (it must apply it)
 * and none to us. Texts are ASCII.
 */
export function maskedFrame(opcode: number, text: string): Buffer {
  const isLong = text.length >= LENGTH_16;
  const headBytes = (isLong ? 4 : 2) + MASK_BYTES;
  const frame = Buffer.allocUnsafe(headBytes + text.length);
  frame[0] = FINAL_BIT | opcode;
  frame[1] = MASK_BIT | (isLong ? LENGTH_16 : text.length);
  if (isLong) frame.writeUInt16BE(text.length, 2);
  frame.fill(0, headBytes - MASK_BYTES, headBytes);
  frame.write(text, headBytes, 'latin1');
  return frame;
}

export type FrameListener = (opcode: number, bytes: Buffer, from: number, to: number) => void;

/** Tells of every whole frame in `bytes` up to `end`; answers where the first that is not begins. */
export function readFrames(bytes: Buffer, end: number, heard: FrameListener): number {
  let at = 0;
  while (end - at >= 2) {
    let length = bytes[at + 1]! & ~MASK_BIT;
    let from = at + 2;
    if (length === LENGTH_16) {
      if (end - at < 4) break;
      length = bytes.readUInt16BE(from);
      from += 2;
    } else if (length === LENGTH_64) {
      if (end - at < 10) break;
      length = Number(bytes.readBigUInt64BE(from));
      from += 8;
    }
    if (end - from < length) break;
    heard(bytes[at]! & 0x0f, bytes, from, from + length);
    at = from + length;
  }
  return at;
}
