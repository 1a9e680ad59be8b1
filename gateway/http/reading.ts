/** The protocol's reading as the API shows it: the same fields, instants in ISO 8601. */
import { z } from '@hono/zod-openapi';
import type { BudgetRow } from '../../core/meter/rows.ts';
import type { Action, Reading } from '../../core/protocol/messages.ts';
import { readingOf } from '../reading.ts';
import type { HttpAction } from './problem.ts';
import { durationMsSchema, instant, instantOrNull, instantSchema } from './schemas.ts';

export const bindingSchema = z
  .enum([
    'organization',
    'member',
    'session',
    'concurrency',
    'day',
    'feature',
    'plan',
  ] as const satisfies readonly Reading['binding'][])
  .openapi('Binding', { description: 'The limit that decides.' });

export const readingSchema = z
  .object({
    binding: bindingSchema,
    sessionMs: durationMsSchema.openapi({ description: '0 for a reading of no session.' }),
    usedMs: durationMsSchema,
    limitMs: durationMsSchema.nullable().openapi({ description: 'null = unlimited' }),
    remainingMs: durationMsSchema.nullable().openapi({ description: 'null = unlimited' }),
    percent: z.number().min(0).openapi({ description: 'Of the plan quota.' }),
    source: z.enum(['plan', 'extra', 'overage']),
    extraRemainingMs: durationMsSchema,
    burnRate: z.number().min(0).openapi({ description: 'Sessions recording on it now.' }),
    endsAt: instantSchema
      .nullable()
      .openapi({ description: 'When it runs out at the present burn rate.' }),
    periodEndsAt: instantSchema.nullable(),
    at: instantSchema,
  })
  .openapi('Reading', { description: 'What the meter says of a budget at one instant.' });
export type HttpReading = z.infer<typeof readingSchema>;

export const bySourceSchema = z
  .object({ planMs: durationMsSchema, extraMs: durationMsSchema, overageMs: durationMsSchema })
  .openapi('BySource');

/** @param at meter time of the figures */
export function httpReadingOf(row: BudgetRow, at: number): HttpReading {
  const reading = readingOf(row, 0, at);
  return {
    ...reading,
    endsAt: instantOrNull(reading.endsAt),
    periodEndsAt: instantOrNull(reading.periodEndsAt),
    at: instant(reading.at),
  };
}

export function httpActionsOf(actions: readonly Action[]): HttpAction[] {
  return actions.map(({ until, ...action }) =>
    until === undefined ? action : { ...action, until: instant(until) },
  );
}
