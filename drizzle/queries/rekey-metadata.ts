import { sql } from 'drizzle-orm';
import type { TextCipher } from '../../core/runtime/text-cipher.ts';
import type { Database } from '../client.ts';

/** Rows of one look. */
const ROWS_A_LOOK = 500;

interface Row extends Record<string, unknown> {
  org: string;
  id: string;
  value: string;
}

export interface Rekeyed {
  written: number;
  /** their key is not among ours, or they were altered: left as they are */
  unreadable: number;
}

/** Where texts are sealed, and what each is bound to. */
const SEALED = [
  { table: 'session_metadata', id: 'session', value: 'value', placeOf: sessionPlace },
  { table: 'usage_events', id: 'id', value: 'metadata', placeOf: eventPlace },
] as const;

function sessionPlace(org: string, session: string): string[] {
  return [org, session];
}
/** Of three parts, so that the text of an event can't be moved to a session of the same id. */
export function eventPlace(org: string, id: string): string[] {
  return [org, 'usage event', id];
}

/** Seals all metadata with the first key. May be repeated, and stopped at any time. */
export async function rekeyMetadata(db: Database, cipher: TextCipher): Promise<Rekeyed> {
  const done: Rekeyed = { written: 0, unreadable: 0 };
  for (const sealed of SEALED) await rekeyTable(db, cipher, sealed, done);
  return done;
}

async function rekeyTable(
  db: Database,
  cipher: TextCipher,
  sealed: (typeof SEALED)[number],
  done: Rekeyed,
): Promise<void> {
  const [table, idColumn, valueColumn] = [sealed.table, sealed.id, sealed.value].map((name) =>
    sql.identifier(name),
  );
  let after = ['', ''];
  for (;;) {
    const rows = await db.execute<Row>(sql`
      select org, ${idColumn} as id, ${valueColumn} as value from ${table}
      where (org, ${idColumn}) > (${after[0]}, ${after[1]}) and ${valueColumn} is not null
      order by org, ${idColumn} limit ${ROWS_A_LOOK}`);
    for (const { org, id, value } of rows) {
      if (!cipher.isOutdated(value)) continue;
      const opened = cipher.open(value, sealed.placeOf(org, id));
      if (opened.status !== 'ok') {
        done.unreadable += 1;
        continue;
      }
      const written = cipher.seal(opened.text, sealed.placeOf(org, id));
      await db.execute(sql`
        update ${table} set ${valueColumn} = ${written}
        where org = ${org} and ${idColumn} = ${id} and ${valueColumn} = ${value}`);
      done.written += 1;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < ROWS_A_LOOK) return;
    after = [last.org, last.id];
  }
}
