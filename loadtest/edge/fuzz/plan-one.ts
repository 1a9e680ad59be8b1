/** One conversation from one seed: what is sent, and how it is spoiled. Same seed, same bytes. */
import { type Dice, diceOf } from '../../../core/meter/schedule.ts';
import { bytesOf, framesOf, makeConversation, type Pass } from './conversation.ts';
import { spoilBytes, spoilFrames } from './spoil-frames.ts';
import { spoilMessage } from './spoil-message.ts';

/** A connection may say 20 at once: more of them makes floods, fewer hides what comes later. */
const MAX_MESSAGES = 30;
/** Of messages, frames and bytes, each on its own. */
const SPOIL_CHANCE = 0.4;
const UNSPOILED_CHANCE = 0.1;
const SPLIT_CHANCE = 0.2;

export interface Plan {
  /** each in a write of its own */
  writes: Buffer[];
  frames: number;
  /** says goodbye with a close frame, or just leaves */
  isPolite: boolean;
}

export function wantsPass(seed: number): boolean {
  return diceOf(seed ^ 0x5bd1e995).chance(0.15);
}

export function planOne(seed: number, pass: Pass | null): Plan {
  const dice = diceOf(seed);
  const { messages } = makeConversation(dice, pass, 1 + dice.below(MAX_MESSAGES));
  const isSpoiled = !dice.chance(UNSPOILED_CHANCE);
  const spoils = () => isSpoiled && dice.chance(SPOIL_CHANCE);
  const at = spoils() ? dice.below(messages.length) : -1;
  const texts = messages.map((it, i) => (i === at ? spoilMessage(dice, it) : JSON.stringify(it)));
  let frames = framesOf(dice, texts);
  while (spoils() && frames.length > 0) frames = spoilFrames(dice, frames);
  const pieces = bytesOf(frames);
  if (spoils() && pieces.length > 0) {
    const spoiled = dice.below(pieces.length);
    pieces[spoiled] = spoilBytes(dice, pieces[spoiled]!);
  }
  return { writes: writesOf(dice, pieces), frames: pieces.length, isPolite: dice.chance(0.5) };
}

/** As a network may hand them over: together, one by one, or cut anywhere. */
function writesOf(dice: Dice, pieces: Buffer[]): Buffer[] {
  const all = Buffer.concat(pieces);
  if (!dice.chance(SPLIT_CHANCE)) return [all];
  const cut = dice.below(all.length + 1);
  return [all.subarray(0, cut), all.subarray(cut)];
}
