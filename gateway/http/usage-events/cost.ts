/** Money of a local day against its ceiling. Pure: no clock, no database. */
import { z } from '@hono/zod-openapi';
import type { ProblemFigures } from '../problem.ts';
import { instant, instantSchema } from '../schemas.ts';

/** A token costs far less than a cent. Sums are of whole micros, so that they are exact. */
export const MICROS_PER_CENT = 10_000;
export const MAX_COST_CENTS = 1_000_000;
/** At which percent of the ceiling there is an alert. */
export const COST_ALERT_PERCENT = [80, 100] as const;

/** What one or more events cost; fractions of a cent are kept to the nearest ten-thousandth. */
export const costCentsSchema = z
  .number()
  .min(0)
  .max(MAX_COST_CENTS)
  .openapi({ description: 'Fractions allowed; kept to a ten-thousandth of a cent.' });

export interface DayCost {
  /** Local day of the organization. */
  day: string;
  usedMicros: number;
  /** null: no ceiling */
  limitCents: number | null;
  resetsAt: number;
}

export function microsOf(costCents: number): number {
  return Math.round(costCents * MICROS_PER_CENT);
}
export function centsOf(micros: number): number {
  return micros / MICROS_PER_CENT;
}

/** Once it is reached nothing more is allowed beforehand; what crosses it still was. */
export function isCeilingReached(usedMicros: number, limitCents: number | null): boolean {
  return limitCents !== null && usedMicros >= limitCents * MICROS_PER_CENT;
}

/** Of the levels of `COST_ALERT_PERCENT` those that are reached. A ceiling of 0 is at 100 percent. */
export function levelsReached(usedMicros: number, limitCents: number | null): number[] {
  if (limitCents === null) return [];
  return COST_ALERT_PERCENT.filter(
    (percent) => usedMicros * 100 >= percent * limitCents * MICROS_PER_CENT,
  );
}

export const costSchema = z
  .object({
    day: z.iso.date().openapi({ description: 'Local day of the organization.' }),
    usedCents: z.number().min(0),
    limitCents: z.int().min(0).nullable().openapi({ description: 'null = no ceiling' }),
    remainingCents: z.number().min(0).nullable(),
    percent: z.number().min(0).openapi({ description: 'Of the ceiling; may pass 100.' }),
    resetsAt: instantSchema,
  })
  .openapi('DayCost', { description: 'What the usage events of a local day cost.' });
export type CostShown = z.infer<typeof costSchema>;

export function costShown({ day, usedMicros, limitCents, resetsAt }: DayCost): CostShown {
  const limitMicros = limitCents === null ? null : limitCents * MICROS_PER_CENT;
  return {
    day,
    usedCents: centsOf(usedMicros),
    limitCents,
    remainingCents: limitMicros === null ? null : centsOf(Math.max(0, limitMicros - usedMicros)),
    percent: percentOf(usedMicros, limitMicros),
    resetsAt: instant(resetsAt),
  };
}

/** The same in a refusal. */
export function costRefused({ usedMicros, limitCents, resetsAt }: DayCost): ProblemFigures {
  const used = centsOf(usedMicros);
  const remaining = limitCents === null ? null : Math.max(0, limitCents - used);
  return {
    ...{ binding: 'day', scope: 'organization', per: 'day' },
    ...{ used, limit: limitCents, remaining, resetsAt: instant(resetsAt) },
  };
}

function percentOf(usedMicros: number, limitMicros: number | null): number {
  if (limitMicros === null) return 0;
  if (limitMicros === 0) return 100;
  return Math.round((usedMicros / limitMicros) * 10_000) / 100;
}
