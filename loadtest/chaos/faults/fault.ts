/** What every fault is: something that is done to the stage, lasts a while, and is put right again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dice } from '../../../core/meter/schedule.ts';
import type { Stage } from '../stage/stage.ts';

/** What it keeps from working meanwhile; the audit asks which of them could delay a word. */
export type Touches = 'gateway' | 'worker' | 'redis' | 'postgres' | 'door' | 'queue' | 'clock';

export interface Blow {
  /** "gateway-2", "redis" */
  target: string;
  /** processes ended by SIGKILL */
  kills: number;
  /** that nothing else may be done to meanwhile */
  locks: readonly string[];
  /** Does it, waits, puts it right. */
  strike(): Promise<void>;
}

export interface Fault {
  name: string;
  /** how often it comes, beside the others */
  weight: number;
  touches: readonly Touches[];
  /** Redis knows less afterwards than it had acknowledged. */
  forgets?: true;
  /** What exactly, by dice. null: not now. */
  aim(stage: Stage, dice: Dice): Blow | null;
}

/** From `from` up to `to` ms. */
export const span = (dice: Dice, from: number, to: number) => from + dice.below(to - from + 1);

export { sleep };
