/** A session as the API shows it: its summary and its receipt, every second by source and lot. */
import { z } from '@hono/zod-openapi';
import { bySourceSchema } from './reading.ts';
import { durationMsSchema, idSchema, instantSchema } from './schemas.ts';

export const sessionSummarySchema = z
  .object({
    session: idSchema('interview-7'),
    org: idSchema('acme'),
    user: idSchema('ann'),
    state: z.enum(['recording', 'paused', 'detached', 'stalled', 'ended']),
    startedAt: instantSchema,
    endedAt: instantSchema.nullable(),
    reason: z.string().nullable().openapi({ description: 'Why it ended.' }),
    recordedMs: durationMsSchema.openapi({ description: 'Charged time and overshoot.' }),
    overshootMs: durationMsSchema.openapi({ description: 'Past a limit; never charged.' }),
    bySource: bySourceSchema,
    settled: z.boolean().openapi({ description: 'Whether the ledger has all of it.' }),
  })
  .openapi('SessionSummary');
export type SessionSummary = z.infer<typeof sessionSummarySchema>;

export const minuteSchema = z
  .object({
    index: z.int().min(0).openapi({
      description: 'Minutes are numbered by charged time. One across a reset has two records.',
    }),
    period: instantSchema.openapi({ description: 'Start of the period it counts in.' }),
    startsAt: instantSchema.openapi({ description: 'Pauses before it not counted.' }),
    ms: z.int().min(0).max(60_000),
    planMs: durationMsSchema,
    extraMs: durationMsSchema,
    overageMs: durationMsSchema,
    lots: z.array(z.object({ purchase: z.string(), ms: durationMsSchema })),
  })
  .openapi('Minute');
export type Minute = z.infer<typeof minuteSchema>;

export const sessionSchema = sessionSummarySchema
  .extend({
    metadata: z.record(z.string(), z.string()).nullable().openapi({
      description: 'What its recorder said of it at the start; null: nothing, or not readable.',
    }),
    metadataProblem: z
      .string()
      .nullable()
      .openapi({ description: 'Why it can’t be read and what would help; null: it can.' }),
    minutes: z.array(minuteSchema).openapi({ description: 'As settled so far.' }),
  })
  .openapi('Session');
