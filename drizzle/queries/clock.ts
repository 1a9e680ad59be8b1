import { sql } from 'drizzle-orm';
import type { MeterClock } from '../../core/meter/commands.ts';
import type { Queryable, Transaction } from '../client.ts';
import { meterClock } from '../schema/operations.ts';

export async function readClock(db: Queryable): Promise<MeterClock> {
  const [row] = await db.select().from(meterClock);
  if (row === undefined) throw new Error('The table meter_clock is empty: run the migration.');
  const { meterBaseAt, realBaseAt, speed, frozen } = row;
  return { meterBaseAt, realBaseAt, speed, frozen };
}

/** Meter instant at a real one, by the formula of core/meter/README.md. */
export function meterNow(clock: MeterClock, realAt: number): number {
  if (clock.frozen) return clock.meterBaseAt;
  return Math.floor(clock.meterBaseAt + (realAt - clock.realBaseAt) * clock.speed);
}

/**
 * Lets meter time run at another speed from now on, without a step. The shards' heads follow by a
 * recovery each, which a raised generation brings about. Answers whether anything changed.
 */
export async function setSpeed(tx: Transaction, speed: number, realAt: number): Promise<boolean> {
  await tx.execute(sql`select from meter_clock for update`);
  const clock = await readClock(tx);
  if (clock.speed === speed && !clock.frozen) return false;
  const meterBaseAt = meterNow(clock, realAt);
  await tx.update(meterClock).set({ meterBaseAt, realBaseAt: realAt, speed, frozen: false });
  await tx.execute(sql`update shards set generation = generation + 1`);
  return true;
}
