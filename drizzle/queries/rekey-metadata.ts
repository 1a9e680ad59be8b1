import { sql } from 'drizzle-orm';
import type { TextCipher } from '../../core/runtime/text-cipher.ts';
import type { Database } from '../client.ts';

/** Rows of one look. */
const ROWS_A_LOOK = 500;

interface Row extends Record<string, unknown> {
  org: string;
  session: string;
  value: string;
}

export interface Rekeyed {
  written: number;
  /** their key is not among ours, or they were altered: left as they are */
  unreadable: number;
}

/** Seals every session's metadata with the first key. May be repeated, and stopped at any time. */
export async function rekeyMetadata(db: Database, cipher: TextCipher): Promise<Rekeyed> {
  const done: Rekeyed = { written: 0, unreadable: 0 };
  let after = ['', ''];
  for (;;) {
    const rows = await db.execute<Row>(sql`
      select org, session, value from session_metadata
      where (org, session) > (${after[0]}, ${after[1]}) order by org, session limit ${ROWS_A_LOOK}`);
    for (const { org, session, value } of rows) {
      if (!cipher.isOutdated(value)) continue;
      const opened = cipher.open(value, [org, session]);
      if (opened.status !== 'ok') {
        done.unreadable += 1;
        continue;
      }
      const sealed = cipher.seal(opened.text, [org, session]);
      await db.execute(sql`
        update session_metadata set value = ${sealed}
        where org = ${org} and session = ${session} and value = ${value}`);
      done.written += 1;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < ROWS_A_LOOK) return done;
    after = [last.org, last.session];
  }
}
