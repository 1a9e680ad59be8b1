/** What a recorder with manners says, as frames: the ground that is then spoiled. */
import type { Dice } from '../../../core/meter/schedule.ts';
import { type FrameParts, frame, Opcode } from '../raw/frame.ts';

/** Who may be let in. Without: whatever is said is said before a session. */
export interface Pass {
  ticket: string;
  session: string;
}

export interface Conversation {
  /** the first is the start, where there is one */
  messages: object[];
}

const BROWSERS_WORDS = ['ok', 'Aufnahme läuft', '👩‍👧', '', 'x'.repeat(200)];

export function makeConversation(dice: Dice, pass: Pass | null, length: number): Conversation {
  const messages: object[] = [startOf(dice, pass)];
  while (messages.length < length) messages.push(nextOf(dice));
  return { messages };
}

function startOf(dice: Dice, pass: Pass | null): object {
  const start = {
    type: 'start',
    ...(pass ? { ticket: pass.ticket, session: pass.session } : { ticket: 'a.b.c' }),
    ...(dice.chance(0.3) && { plannedMs: dice.below(1_000_000) }),
    ...(dice.chance(0.3) && { metadata: { title: dice.pick(BROWSERS_WORDS), app: 'fuzz' } }),
  };
  if (pass || dice.chance(0.7)) return start;
  return { type: 'resume', session: `s-${dice.below(1_000)}`, checkpoint: 'v1.abc.def' };
}

function nextOf(dice: Dice): object {
  switch (dice.below(8)) {
    case 0:
      return { type: 'stop', reason: dice.pick(BROWSERS_WORDS), capturedMs: dice.below(10_000) };
    case 1:
      return { type: 'saved', ok: dice.chance(0.8), detail: dice.pick(BROWSERS_WORDS) };
    case 2:
      return { type: 'beat', seq: dice.below(4), state: dice.pick(['recording', 'paused']) };
    default:
      return { type: 'beat', seq: dice.below(6), capturedMs: dice.below(10_000) };
  }
}

/** As a client sends it: one frame a message, pings now and then, whole or in fragments. */
export function framesOf(dice: Dice, texts: readonly string[]): FrameParts[] {
  return texts.flatMap((text) => {
    const mask = dice.below(2 ** 32);
    const own: FrameParts[] = [{ opcode: Opcode.text, payload: text, mask }];
    if (dice.chance(0.1)) own.unshift({ opcode: Opcode.ping, payload: 'still there?', mask });
    if (!dice.chance(0.15)) return own;
    const bytes = Buffer.from(text);
    const at = dice.below(bytes.length + 1);
    return [
      ...own.slice(0, -1),
      { opcode: Opcode.text, payload: bytes.subarray(0, at), fin: false, mask },
      { opcode: Opcode.continuation, payload: bytes.subarray(at), mask },
    ];
  });
}

export function bytesOf(frames: readonly FrameParts[]): Buffer[] {
  return frames.map(frame);
}
