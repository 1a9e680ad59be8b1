import { sql } from 'drizzle-orm';
import type { Queryable } from '../../drizzle/client.ts';

export interface AuditEntry {
  /** who: `worker`, an API key's id, an operator */
  actor: string;
  /** what, as a verb: `recover`, `adjust` */
  action: string;
  org?: string;
  subject?: string;
  detail?: Record<string, unknown>;
}

/** Appends an entry; nothing is ever changed or taken away. */
export async function writeAudit(db: Queryable, entry: AuditEntry): Promise<void> {
  const { actor, action, org = null, subject = null, detail = {} } = entry;
  await db.execute(sql`
    insert into audit_log (actor, action, org, subject, detail)
    values (${actor}, ${action}, ${org}, ${subject}, ${JSON.stringify(detail)}::jsonb)`);
}
