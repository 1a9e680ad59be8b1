/** Has one conversation with a gateway, and judges what it answered: codes, frames and messages. */
import { CloseCode } from '../../../core/protocol/close-codes.ts';
import { decodeServerMessage } from '../../../core/protocol/codec.ts';
import { closing, Opcode } from '../raw/frame.ts';
import { handshake } from '../raw/handshake.ts';
import { openRaw, type RawSocket } from '../raw/raw-socket.ts';
import { closeCodeOf } from '../raw/server-frames.ts';
import type { Plan } from './plan-one.ts';

/** Until this is over a server that closes has closed; one that waits for the rest is left. */
const LINGER_MS = 60;
const HANDSHAKE_PATIENCE_MS = 15_000;
const WRITE_GAP_MS = 1;

/** Of RFC 6455 itself; 1008 is ws' word for too many fragments. */
const PROTOCOL_CODES = [1002, 1005, 1007, 1008];
const OWN_CODES: readonly number[] = Object.values(CloseCode);
const isRegistered = (code: number) => (code >= 1000 && code <= 1014) || code >= 3000;

export interface FuzzOutcome {
  /** `open`, `cut`, or a close code */
  ended: string;
  faults: string[];
}

/** `mayCut`: a transport that ends a broken connection without a close frame (RFC 6455, 7.1.7). */
export async function fuzzOne(port: number, plan: Plan, mayCut: boolean): Promise<FuzzOutcome> {
  const raw = await openRaw(port);
  try {
    raw.write(handshake());
    const isAnswered = () => raw.answer().status > 0 || raw.isEnded();
    await raw.until(isAnswered, HANDSHAKE_PATIENCE_MS);
    const { status } = raw.answer();
    if (status !== 101) return { ended: 'refused', faults: [`the upgrade was answered ${status}`] };
    for (const [i, bytes] of plan.writes.entries()) {
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, WRITE_GAP_MS));
      raw.write(bytes);
    }
    if (plan.isPolite) raw.write(closing(1000));
    await raw.until(() => raw.isEnded() || closeOf(raw) !== undefined, LINGER_MS);
    return judge(raw, mayCut);
  } finally {
    raw.destroy();
  }
}

function closeOf(raw: RawSocket) {
  return raw.heard().frames.find(({ opcode }) => opcode === Opcode.close);
}

function judge(raw: RawSocket, mayCut: boolean): FuzzOutcome {
  const { frames, fault } = raw.heard();
  const faults: string[] = fault ? [`the server sent ${fault}`] : [];
  for (const { opcode, payload } of frames) {
    if (opcode !== Opcode.text) continue;
    const message = decodeServerMessage(payload.toString());
    if (message.type === 'bad') faults.push(`it said what is no message: ${message.detail}`);
  }
  const close = closeOf(raw);
  if (!close) {
    const isCut = raw.isEnded();
    if (isCut && !mayCut) faults.push('it cut the connection without a close frame');
    return { ended: isCut ? 'cut' : 'open', faults };
  }
  const code = closeCodeOf(close);
  // A spoiled close frame may have had any code, which is answered with the same (5.5.1).
  const isRight = OWN_CODES.includes(code) || PROTOCOL_CODES.includes(code) || isRegistered(code);
  if (!isRight) faults.push(`it closed with ${code}, which is no code of ours`);
  if (code === 1011) faults.push('it closed with 1011: something broke within it');
  if (code === CloseCode.tryAgainLater)
    faults.push('it closed with 1013: something broke within it');
  return { ended: String(code), faults };
}
