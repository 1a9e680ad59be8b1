import type { Transaction } from '../../drizzle/client.ts';
import { auditLog } from '../../drizzle/schema/operations.ts';

export interface AuditEntry {
  /** `actorOf` the caller. */
  actor: string;
  /** What was done: `plan.put`, `organization.put`, `adjustment.give`, … */
  action: string;
  org?: string;
  /** What it was done to: a plan's, member's or session's id. */
  subject?: string;
  detail?: Record<string, unknown>;
  /** Wall clock, epoch ms. */
  at: number;
}

/** Written in the transaction of what it tells of, so that neither is there without the other. */
export async function audit(tx: Transaction, entry: AuditEntry): Promise<void> {
  await tx.insert(auditLog).values({ detail: {}, ...entry });
}
