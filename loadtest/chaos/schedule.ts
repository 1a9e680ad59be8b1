/** Which fault comes when, from a seed; and what became of it. */
import { type Dice, diceOf } from '../../core/meter/schedule.ts';
import { machineNowMs } from '../machine-clock.ts';
import { type Fault, sleep, type Touches } from './faults/fault.ts';
import { PROCESS_FAULTS } from './faults/process-faults.ts';
import { STORE_FAULTS } from './faults/store-faults.ts';
import { WIRE_FAULTS } from './faults/wire-faults.ts';
import type { Stage } from './stage/stage.ts';

export const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...STORE_FAULTS, ...WIRE_FAULTS];

/** A fault that happened. Instants on the machine's monotonic clock. */
export interface Struck {
  name: string;
  target: string;
  touches: readonly Touches[];
  forgets: boolean;
  kills: number;
  fromMs: number;
  /** put right again */
  toMs: number;
}

export interface Planned {
  /** after the first one could come */
  atMs: number;
  fault: Fault;
  /** of the dice it is aimed by */
  seed: number;
}

const MINUTE_MS = 60_000;
const PUTTING_RIGHT_PATIENCE_MS = 90_000;

function draw(faults: readonly Fault[], dice: Dice): Fault {
  const PARTS = 1e6;
  const whole = faults.reduce((sum, { weight }) => sum + weight, 0);
  const drawn = (dice.below(PARTS) / PARTS) * whole;
  let below = 0;
  for (const fault of faults) {
    below += fault.weight;
    if (drawn < below) return fault;
  }
  return faults[0]!;
}

/** So many a minute, at random instants within `lengthMs`. */
export function planFaults(
  ...[seed, lengthMs, perMinute, faults]: [number, number, number, readonly Fault[]]
): Planned[] {
  const dice = diceOf(seed);
  const count = Math.round((lengthMs / MINUTE_MS) * perMinute);
  return Array.from({ length: count }, () => ({
    atMs: dice.below(lengthMs),
    fault: draw(faults, dice),
    seed: dice.below(2 ** 31),
  })).sort((a, b) => a.atMs - b.atMs);
}

/**
 * Carries it out. Two faults meet unless they need the same thing: then the later one is left out.
 * Resolves when the last is put right.
 */
export async function strikeAll(
  stage: Stage,
  plan: readonly Planned[],
  fromMs: number,
  { signal, struck: tell }: { signal: AbortSignal; struck(it: Struck): void },
): Promise<Struck[]> {
  const held = new Set<string>();
  const struck: Struck[] = [];
  const under: Promise<void>[] = [];
  for (const { atMs, fault, seed } of plan) {
    const restMs = fromMs + atMs - machineNowMs();
    if (restMs > 0) await sleep(restMs);
    if (signal.aborted) break;
    const blow = fault.aim(stage, diceOf(seed));
    if (blow === null || blow.locks.some((lock) => held.has(lock))) continue;
    if (leavesNone(stage, blow.locks, held)) continue;
    for (const lock of blow.locks) held.add(lock);
    const { name, touches, forgets = false } = fault;
    const it: Struck = {
      ...{ name, target: blow.target, touches, forgets, kills: blow.kills },
      ...{ fromMs: machineNowMs(), toMs: Number.POSITIVE_INFINITY },
    };
    struck.push(it);
    tell(it);
    under.push(
      within(blow.strike(), `${name} (${blow.target})`).finally(() => {
        it.toMs = machineNowMs();
        for (const lock of blow.locks) held.delete(lock);
      }),
    );
  }
  await Promise.all(under);
  return struck;
}

/** Whether no gateway would be left to come back to, by faults that came together by chance. */
function leavesNone({ gateways }: Stage, locks: readonly string[], held: ReadonlySet<string>) {
  if (!gateways.some(({ name }) => held.has(name))) return false;
  return gateways.every(({ name }) => held.has(name) || locks.includes(name));
}

/** @throws Error when it is not put right in time: the stage is of no use then */
async function within(striking: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const words = `"${what}" was not put right within ${PUTTING_RIGHT_PATIENCE_MS} ms.`;
    timer = setTimeout(() => reject(new Error(words)), PUTTING_RIGHT_PATIENCE_MS);
  });
  try {
    await Promise.race([striking, late]);
  } finally {
    clearTimeout(timer);
  }
}
