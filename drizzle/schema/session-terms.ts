import { sql } from 'drizzle-orm';
import { bigint, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** A session's own longest length instead of its plan's. */
export const sessionLengths = pgTable(
  'session_lengths',
  {
    org: text().notNull(),
    session: text().notNull(),
    /** null: no longest length */
    longestMs: bigint('longest_ms', { mode: 'number' }),
    version: bigint({ mode: 'number' }).notNull().default(sql`nextval('limit_versions')`),
    setAt: instant('set_at').notNull().default(sql`now()`),
  },
  (table) => [primaryKey({ columns: [table.org, table.session] })],
);

/** A session that holds no socket and is metered by totals over HTTP. */
export const sessionLeases = pgTable(
  'session_leases',
  {
    org: text().notNull(),
    session: text().notNull(),
    user: text('user_id').notNull(),
    /** of meter time */
    beganAt: instant('began_at').notNull(),
    period: instant().notNull(),
    /** `file`: its length is no matter of the time that passes */
    minutesOf: text('minutes_of', { enum: ['recording', 'file'] }).notNull(),
    /** real ms without a word, after which it ends */
    leaseMs: bigint('lease_ms', { mode: 'number' }).notNull(),
    madeAt: instant('made_at').notNull().default(sql`now()`),
    endedAt: instant('ended_at'),
  },
  (table) => [primaryKey({ columns: [table.org, table.session] })],
);
