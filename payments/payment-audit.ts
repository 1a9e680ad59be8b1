import { sql } from 'drizzle-orm';
import type { Queryable } from '../drizzle/client.ts';

export interface PaymentAudit {
  /** `stripe`, or who found it: `worker` */
  actor: string;
  action: string;
  org: string;
  subject: string;
  detail?: Record<string, unknown>;
}

/** Appends an entry; nothing is ever changed or taken away. */
export async function writePaymentAudit(db: Queryable, entry: PaymentAudit): Promise<void> {
  const { actor, action, org, subject, detail = {} } = entry;
  await db.execute(sql`
    insert into audit_log (actor, action, org, subject, detail)
    values (${actor}, ${action}, ${org}, ${subject}, ${JSON.stringify(detail)}::jsonb)`);
}
