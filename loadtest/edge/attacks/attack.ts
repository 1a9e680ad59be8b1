/** What a stranger may do to a gateway, and what must come of it. */
import { Opcode } from '../raw/frame.ts';
import { handshake } from '../raw/handshake.ts';
import { openRaw, type RawSocket } from '../raw/raw-socket.ts';
import { closeCodeOf } from '../raw/server-frames.ts';
import type { TransportName } from '../rfc6455/case.ts';

/** Longer than any limit in time: the last to strike is the one for silence, after 10 s. */
export const PATIENCE_MS = 25_000;
const UPGRADE_PATIENCE_MS = 15_000;

export interface Attack {
  name: string;
  /** Runs it on one or many connections; answers how each ended: `close N`, `cut`, `open`. */
  run(target: Target): Promise<string[]>;
  /** how each must end */
  ends: Record<TransportName, readonly string[]>;
}

export interface Target {
  port: number;
  /** a fresh ticket, each for a member of its own */
  ticket(): Promise<string>;
}

export async function openUpgraded(port: number): Promise<RawSocket> {
  const raw = await openRaw(port);
  raw.write(handshake());
  await raw.until(() => raw.answer().status === 101 || raw.isEnded(), UPGRADE_PATIENCE_MS);
  return raw;
}

/** How the server ends it; `open` where it does not in time. Destroys it. */
export async function endOf(raw: RawSocket, patienceMs = PATIENCE_MS): Promise<string> {
  const closed = () => raw.heard().frames.find(({ opcode }) => opcode === Opcode.close);
  await raw.until(() => raw.isEnded() || closed() !== undefined, patienceMs);
  const frame = closed();
  const isEnded = raw.isEnded();
  raw.destroy();
  if (frame) return `close ${closeCodeOf(frame)}`;
  return isEnded ? 'cut' : 'open';
}

/** Says a piece again and again until the server has ended it, or for so long. */
export async function keepSaying(
  raw: RawSocket,
  piece: Uint8Array | string,
  everyMs: number,
): Promise<string> {
  const timer = setInterval(() => raw.write(piece), everyMs);
  const end = await endOf(raw);
  clearInterval(timer);
  return end;
}

export function times<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => make(index)));
}
