/**
 * Frames of a client (RFC 6455, section 5.2), every bit of them free to be wrong. Nothing here checks
 * what it is given: to break the rules on purpose is what it is for.
 */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export const NO_MASK = null;
/** A mask like any other to the server, which must apply it. */
export const ZERO_MASK = 0;
const SOME_MASK = 0x37fa213d;

export interface FrameParts {
  opcode: number;
  payload?: Uint8Array | string;
  /** default: the last fragment */
  fin?: boolean;
  /** RSV1 to RSV3 as bits 4, 2 and 1 */
  rsv?: number;
  /** four bytes as an unsigned number; null: not masked */
  mask?: number | null;
  /** bits of the length field; default: the fewest that hold it */
  lengthBits?: 7 | 16 | 64;
  /** what the length field says, where it lies */
  saidLength?: number | bigint;
}

export function frame(parts: FrameParts): Buffer {
  const { opcode, fin = true, rsv = 0, mask = SOME_MASK } = parts;
  const payload = Buffer.from(parts.payload ?? '');
  const length = BigInt(parts.saidLength ?? payload.length);
  const bits = parts.lengthBits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const maskBit = mask === null ? 0 : 0x80;
  if (bits === 7) head.push(maskBit | Number(length));
  else head.push(maskBit | (bits === 16 ? 126 : 127));
  const extended = Buffer.alloc(8);
  extended.writeBigUInt64BE(length);
  if (bits !== 7) head.push(...extended.subarray(8 - bits / 8));
  if (mask === null) return Buffer.concat([Buffer.from(head), payload]);
  const key = Buffer.alloc(4);
  key.writeUInt32BE(mask);
  for (let i = 0; i < payload.length; i++) payload[i]! ^= key[i & 3]!;
  return Buffer.concat([Buffer.from(head), key, payload]);
}

export const text = (payload: Uint8Array | string, more: Partial<FrameParts> = {}): Buffer =>
  frame({ opcode: Opcode.text, payload, ...more });

export const continuation = (
  payload: Uint8Array | string,
  more: Partial<FrameParts> = {},
): Buffer => frame({ opcode: Opcode.continuation, payload, ...more });

export const ping = (payload: Uint8Array | string = '', more: Partial<FrameParts> = {}): Buffer =>
  frame({ opcode: Opcode.ping, payload, ...more });

/** A close with a code, and a reason behind it. */
export function closing(code: number, reason: Uint8Array | string = ''): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame({ opcode: Opcode.close, payload: Buffer.concat([head, Buffer.from(reason)]) });
}
