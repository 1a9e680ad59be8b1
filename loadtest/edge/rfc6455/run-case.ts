/** Runs one case on a bare connection, and says what came of it in the words of case.ts. */
import { SUBPROTOCOL } from '../../../core/protocol/messages.ts';
import { closing, frame as frameOf, Opcode, ping } from '../raw/frame.ts';
import { acceptOf, handshake, SAMPLE_KEY } from '../raw/handshake.ts';
import { openRaw, type RawSocket } from '../raw/raw-socket.ts';
import { closeCodeOf } from '../raw/server-frames.ts';
import type { Case, Outcome, TransportName } from './case.ts';

/** On a machine that is busy with others nothing is late before this. */
const PATIENCE_MS = 10_000;
/** So long nothing comes of what is not whole. */
const SILENCE_MS = 500;
const PIECE_GAP_MS = 2;
const PROBE = 'are you there?';

export interface CaseResult {
  name: string;
  outcome: Outcome | `broken: ${string}`;
  /** sentences about what does not hold; none: it does */
  faults: string[];
}

export async function runCase(one: Case, port: number, on: TransportName): Promise<CaseResult> {
  const raw = await openRaw(port);
  try {
    const outcome = await outcomeOf(one, raw, on);
    const expected = expectedOf(one, on);
    const faults: string[] = [];
    if (!(expected as readonly string[]).includes(outcome)) {
      faults.push(`${outcome}, not ${expected.join(' or ')} (section ${one.section})`);
    }
    const { frames } = raw.heard();
    const texts = frames.filter((it) => it.opcode === Opcode.text).map((it) => `${it.payload}`);
    // Where a transport does something else, there is nothing else to hear.
    const isOther = one.differs?.[on] !== undefined;
    if (one.hears && !isOther && !texts.some((it) => it.includes(one.hears!))) {
      faults.push(`heard ${JSON.stringify(texts).slice(0, 300)}, not ${one.hears}`);
    }
    const pongs = frames.filter((it) => it.opcode === Opcode.pong).map((it) => `${it.payload}`);
    const told = pongs.filter((it) => it !== PROBE);
    if (one.pongs && JSON.stringify(told) !== JSON.stringify(one.pongs)) {
      faults.push(`pongs ${JSON.stringify(told)}, not ${JSON.stringify(one.pongs)}`);
    }
    return { name: one.name, outcome, faults };
  } finally {
    raw.destroy();
  }
}

export function expectedOf(one: Case, on: TransportName): readonly Outcome[] {
  return [one.differs?.[on]?.outcome ?? one.outcome].flat() as readonly Outcome[];
}

async function outcomeOf(one: Case, raw: RawSocket, on: TransportName) {
  const opening = one.handshake ?? handshake();
  const sends = one.sends ?? [];
  if (one.isEarly) raw.write(Buffer.concat([Buffer.from(opening, 'latin1'), ...sends]));
  else raw.write(Buffer.from(opening, 'latin1'));
  const maySleep = expectedOf(one, on).includes('silent');
  await raw.until(
    () => raw.answer().status > 0 || raw.isEnded(),
    maySleep ? SILENCE_MS : PATIENCE_MS,
  );
  const { status, headers } = raw.answer();
  if (status === 0) return raw.isEnded() ? 'cut' : 'silent';
  if (status !== 101) return `refused ${status}` as const;
  const key = /Sec-WebSocket-Key:[ \t]*(\S*)/i.exec(opening)?.[1] ?? SAMPLE_KEY;
  if (headers.get('sec-websocket-accept') !== acceptOf(key)) return 'broken: accept' as const;
  if (headers.has('sec-websocket-extensions')) return 'broken: an extension' as const;
  if (headers.get('sec-websocket-protocol') !== SUBPROTOCOL) return 'broken: protocol' as const;
  if (one.sends === undefined) return 'upgraded';
  if (!one.isEarly) {
    for (const bytes of sends) {
      raw.write(bytes);
      if (sends.length > 1) await new Promise((resolve) => setTimeout(resolve, PIECE_GAP_MS));
    }
  }
  return afterFrames(raw, expectedOf(one, on));
}

async function afterFrames(
  raw: RawSocket,
  expected: readonly Outcome[],
): Promise<CaseResult['outcome']> {
  const closed = () => raw.heard().frames.find(({ opcode }) => opcode === Opcode.close);
  const isOver = () => closed() !== undefined || raw.isEnded() || raw.heard().fault !== null;
  if (expected.includes('open')) {
    raw.write(ping(PROBE));
    const hasPong = () => raw.heard().frames.some(({ payload }) => `${payload}` === PROBE);
    await raw.until(() => isOver() || hasPong(), PATIENCE_MS);
  } else {
    await raw.until(isOver, expected.includes('silent') ? SILENCE_MS : PATIENCE_MS);
  }
  const { fault } = raw.heard();
  if (fault) return `broken: ${fault}`;
  const frame = closed();
  if (!frame) return raw.isEnded() ? 'cut' : expected.includes('silent') ? 'silent' : 'open';
  const code = closeCodeOf(frame);
  // Its answer, after which the server ends the connection (sections 5.5.1 and 7.1.1).
  raw.write(code === 1005 ? frameOf({ opcode: Opcode.close }) : closing(code));
  if (!(await raw.until(raw.isEnded, PATIENCE_MS))) return 'broken: it does not end';
  return raw.heard().fault ? `broken: ${raw.heard().fault}` : `close ${code}`;
}
