import { expect, it } from 'vitest';
import { recoverJobId, settleJobId } from './job-id.ts';
import { MAX_FIELDS_A_JOB, recoverPayload, settlePayload } from './queues.ts';

it('makes ids that BullMQ takes', () => {
  for (const id of [settleJobId(3), recoverJobId(3)]) {
    expect(id).not.toContain(':');
    expect(id).not.toMatch(/^\d+$/);
  }
  expect(settleJobId(3)).not.toBe(settleJobId(3));
  expect(recoverJobId(3)).toBe(recoverJobId(3));
});

it('refuses a payload that names no shard of ours, or too much', () => {
  expect(settlePayload.safeParse({ shard: 63, fields: ['m|s|0|0'] }).success).toBe(true);
  expect(settlePayload.safeParse({ shard: 64, fields: [] }).success).toBe(false);
  expect(settlePayload.safeParse({ shard: 0 }).success).toBe(false);
  const tooMany = Array.from({ length: MAX_FIELDS_A_JOB + 1 }, (_, i) => `m|s|${i}|0`);
  expect(settlePayload.safeParse({ shard: 0, fields: tooMany }).success).toBe(false);
  expect(recoverPayload.safeParse({ shard: -1 }).success).toBe(false);
});
