/** Sessions without a socket, as the API takes and shows them. */
import { z } from '@hono/zod-openapi';
import { MAX_METADATA_BYTES } from '../../../core/protocol/limits.ts';
import { actionSchema } from '../problem.ts';
import { readingSchema } from '../reading.ts';
import { durationMsSchema, idSchema, instantSchema } from '../schemas.ts';

export const MIN_LEASE_SECONDS = 5;
export const MAX_LEASE_SECONDS = 24 * 3_600;
export const DEFAULT_LEASE_SECONDS = 120;

/** Of UTF-8, as a recorder's is counted. */
function bytesOf(metadata: Record<string, string>): number {
  return Object.entries(metadata).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
}

export const leasedBodySchema = z
  .strictObject({
    user: idSchema('ann'),
    session: idSchema('upload-7').optional().openapi({
      description: 'Your own id: repeated, it is the same session. Left out, one is made.',
    }),
    plannedMs: z.int().min(0).optional().openapi({ description: 'How long it will be.' }),
    bytes: z.int().min(0).optional().openapi({ description: 'How large the file is.' }),
    feature: idSchema('analysis').optional(),
    leaseSeconds: z
      .int()
      .min(MIN_LEASE_SECONDS)
      .max(MAX_LEASE_SECONDS)
      .default(DEFAULT_LEASE_SECONDS)
      .openapi({ description: 'It ends if nothing is heard of it for so long.' }),
    minutesOf: z
      .enum(['recording', 'file'])
      .default('recording')
      .openapi({
        description:
          '`recording`: its total is never more than the time since it began. `file`: of a recording ' +
          'that exists already, whose length you vouch for.',
      }),
    metadata: z
      .record(z.string(), z.string())
      .refine((metadata) => bytesOf(metadata) <= MAX_METADATA_BYTES, {
        message: `must have ${MAX_METADATA_BYTES} bytes at most, keys and values together`,
      })
      .optional(),
  })
  .openapi('LeasedSessionBody');
export type LeasedBody = z.output<typeof leasedBodySchema>;

export const leasedSchema = z
  .object({
    session: idSchema('upload-7'),
    org: idSchema('acme'),
    user: idSchema('ann'),
    state: z.enum(['recording', 'paused', 'detached', 'stalled', 'ended']),
    startedAt: instantSchema,
    minutesOf: z.enum(['recording', 'file']),
    leaseSeconds: z.int(),
    totalMs: durationMsSchema.openapi({ description: 'The highest total heard so far.' }),
    chargedMs: durationMsSchema,
    overshootMs: durationMsSchema.openapi({ description: 'Past a limit; never charged.' }),
    stop: z.boolean().openapi({ description: 'Nothing more is charged: stop, and save.' }),
    reason: z.string().nullable().openapi({ description: 'Why it stops, or ended.' }),
    reading: readingSchema,
    actions: z.array(actionSchema).openapi({ description: 'What would help, where it stops.' }),
  })
  .openapi('LeasedSession');
export type LeasedShown = z.infer<typeof leasedSchema>;
