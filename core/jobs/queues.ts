import { z } from 'zod';
import { SHARDS } from '../meter/keys.ts';

/**
 * What one process asks of another through BullMQ. A job only says where to look: the worker reads
 * the present values itself, so that no job is stale, and a wiped queue loses nothing, since the
 * sweeps derive the same work again.
 */
export const QueueName = {
  settle: 'settle',
  recover: 'recover',
} as const;
export type QueueName = (typeof QueueName)[keyof typeof QueueName];

/** Fields one job may name: what one transaction settles. */
export const MAX_FIELDS_A_JOB = 500;
/** `m|session|minute|period`, with ids of up to 128 characters. */
const MAX_FIELD_CHARACTERS = 512;

const shard = z
  .number()
  .int()
  .min(0)
  .max(SHARDS - 1);

/** These fields of the shard's unsettled set are ready. */
export const settlePayload = z.object({
  shard,
  fields: z.array(z.string().min(1).max(MAX_FIELD_CHARACTERS)).max(MAX_FIELDS_A_JOB),
});
export type SettlePayload = z.infer<typeof settlePayload>;

/** The meter answered `recover` for this shard (rule 21 in core/meter/README.md). */
export const recoverPayload = z.object({ shard });
export type RecoverPayload = z.infer<typeof recoverPayload>;
