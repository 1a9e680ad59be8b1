/** What a server sends behind its handshake, read strictly: a server's own faults are found, too. */
import { Opcode } from './frame.ts';

export interface ServerFrame {
  opcode: number;
  payload: Buffer;
}

export interface ServerFrames {
  frames: ServerFrame[];
  /** what the server did wrong by section 5 of RFC 6455; null: nothing */
  fault: string | null;
  /** where the first frame begins that is not whole */
  readTo: number;
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(Opcode));
const MAX_CONTROL_BYTES = 125;

export function readServerFrames(bytes: Buffer): ServerFrames {
  const frames: ServerFrame[] = [];
  let readTo = 0;
  const done = (fault: string | null) => ({ frames, fault, readTo });
  while (bytes.length - readTo >= 2) {
    const first = bytes[readTo]!;
    const second = bytes[readTo + 1]!;
    const opcode = first & 0x0f;
    if (frames.at(-1)?.opcode === Opcode.close) return done('frames behind its close frame');
    if (first & 0x70) return done('reserved bits');
    if (!KNOWN.has(opcode)) return done(`opcode ${opcode}`);
    if (second & 0x80) return done('a mask');
    let length = second;
    let from = readTo + 2;
    if (second === 126) {
      if (bytes.length < from + 2) break;
      length = bytes.readUInt16BE(from);
      from += 2;
      if (length < 126) return done('a length that is too long');
    } else if (second === 127) {
      if (bytes.length < from + 8) break;
      length = Number(bytes.readBigUInt64BE(from));
      from += 8;
      if (length < 65_536) return done('a length that is too long');
    }
    const isControl = opcode >= Opcode.close;
    if (isControl && (!(first & 0x80) || length > MAX_CONTROL_BYTES)) return done('a long control');
    if (bytes.length < from + length) break;
    frames.push({ opcode, payload: bytes.subarray(from, from + length) });
    readTo = from + length;
  }
  return done(null);
}

/** 1005 for a close frame without one (section 7.1.5). */
export function closeCodeOf({ payload }: ServerFrame): number {
  return payload.length < 2 ? 1005 : payload.readUInt16BE(0);
}
