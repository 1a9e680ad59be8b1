/** Usage events as the API takes and shows them. */
import { z } from '@hono/zod-openapi';
import { MAX_METADATA_BYTES } from '../../../core/protocol/limits.ts';
import { givenInstant, idSchema, instantSchema } from '../schemas.ts';
import { costCentsSchema, costSchema } from './cost.ts';

export const MAX_EVENTS = 100;
/** A petabyte; sums of it stay exact. */
const MAX_QUANTITY = 1_000_000_000_000_000;

const metadataSchema = z
  .record(z.string().min(1), z.string())
  .refine((metadata) => Buffer.byteLength(JSON.stringify(metadata)) <= MAX_METADATA_BYTES, {
    message: `has more than ${MAX_METADATA_BYTES} bytes`,
  });

const eventSchema = z.strictObject({
  id: idSchema('call-7').optional().openapi({
    description: 'Your own: an event of the same id is recorded once. Left out: it gets one.',
  }),
  kind: idSchema('tokens'),
  quantity: z.int().min(0).max(MAX_QUANTITY).default(1),
  costCents: costCentsSchema.default(0),
  user: idSchema('ann').optional(),
  metadata: metadataSchema.default({}).openapi({
    description: `Flat, texts only; ${MAX_METADATA_BYTES} bytes at most.`,
  }),
  occurredAt: givenInstant.optional().openapi({
    description: 'Left out: now. It counts in that local day, also if it comes late.',
  }),
});
export type EventBody = z.output<typeof eventSchema>;

const enforceSchema = z
  .boolean()
  .default(false)
  .openapi({
    description:
      'true asks first: refused with 402 once the ceiling of the day was reached before. false, the ' +
      'default, records in any case: what was spent was spent.',
  });

export const eventsBodySchema = z
  .union([
    eventSchema.extend({ enforce: enforceSchema }),
    z.strictObject({
      events: z.array(eventSchema).min(1).max(MAX_EVENTS),
      enforce: enforceSchema,
    }),
  ])
  .openapi('UsageEventsBody', { description: `One event, or up to ${MAX_EVENTS}.` });

export const recordedSchema = z
  .object({
    recorded: z.int().min(0),
    duplicates: z.int().min(0).openapi({ description: 'That were recorded before.' }),
    events: z.array(
      z.object({ event: idSchema('call-7'), status: z.enum(['recorded', 'duplicate']) }),
    ),
    allowed: z.boolean().openapi({ description: 'Always true: a refusal is a problem.' }),
    reason: z.enum(['costCeilingReached']).nullable().openapi({
      description: 'With `enforce` in shadow mode: why it would have been refused.',
    }),
    cost: costSchema.openapi({ description: 'Of today.' }),
    alerts: z.array(z.int()).openapi({ description: 'Percent levels that were crossed by this.' }),
  })
  .openapi('UsageEventsRecorded');
export type RecordedShown = z.infer<typeof recordedSchema>;

export const eventShownSchema = z
  .object({
    event: idSchema('call-7'),
    kind: idSchema('tokens'),
    user: idSchema('ann').nullable(),
    quantity: z.int().min(0),
    costCents: z.number().min(0),
    day: z.iso.date(),
    occurredAt: instantSchema,
    recordedAt: instantSchema,
    metadata: z
      .record(z.string(), z.string())
      .nullable()
      .openapi({ description: 'null: it can not be read with the keys of this installation.' }),
  })
  .openapi('UsageEvent');
export type EventShown = z.infer<typeof eventShownSchema>;
