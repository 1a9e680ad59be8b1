/** The days or periods that a report is of, and its amounts in the units that people count in. */
import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { localDay, localDayBounds } from '../../../core/calendar/local-day.ts';
import type { Anchor } from '../../../core/calendar/period.ts';
import { addDays, countDays } from '../../../core/calendar/spans.ts';
import type { Queryable } from '../../../drizzle/client.ts';
import { organizations } from '../../../drizzle/schema/organizations.ts';
import { organizationUnknown } from '../live-budgets.ts';
import { ProblemError } from '../problem.ts';
import { durationMsSchema, givenDay } from '../schemas.ts';

const MS_PER_MINUTE = 60_000;
const MS_PER_HOUR = 3_600_000;

export const daySchema = z.iso.date().openapi({ example: '2026-03-01' });

export const rangeQuery = z.object({
  from: givenDay.optional().openapi({
    description: 'First local day, in the organization’s zone. Default: so long ago as usual.',
  }),
  to: givenDay.optional().openapi({ description: 'Last local day, in it. Default: today.' }),
});

export interface Range extends Anchor {
  /** local days, both in it */
  from: string;
  to: string;
  /** instants: [startsAt, endsAt) */
  startsAt: number;
  endsAt: number;
}

/**
 * @param defaultDays how long the range is where the caller names no beginning
 * Throws 404 for an unknown organization, 422 for a range that ends before it begins or is too long.
 */
export async function readRange(
  db: Queryable,
  org: string,
  asked: { from?: string | undefined; to?: string | undefined },
  { now, defaultDays, maxDays }: { now: number; defaultDays: number; maxDays: number },
): Promise<Range> {
  const [home] = await db
    .select({ timeZone: organizations.timeZone, anchorDay: organizations.anchorDay })
    .from(organizations)
    .where(eq(organizations.id, org));
  if (home === undefined) throw organizationUnknown(org);
  const { timeZone } = home;
  const to = asked.to ?? latest(localDay(now, timeZone), asked.from);
  const from = asked.from ?? addDays(to, 1 - defaultDays);
  const days = countDays(from, to);
  if (days < 1 || days > maxDays) {
    const why =
      days < 1 ? 'ends before it begins' : `has ${days} days, and ${maxDays} can be asked for`;
    throw new ProblemError('invalid', `The range from ${from} to ${to} ${why}.`, {
      errors: [{ pointer: '/to', detail: `must be up to ${maxDays - 1} days after from` }],
    });
  }
  const { startsAt } = localDayBounds(from, timeZone);
  const { endsAt } = localDayBounds(to, timeZone);
  return { ...home, from, to, startsAt, endsAt };
}

function latest(today: string, from: string | undefined): string {
  return from !== undefined && from > today ? from : today;
}

export function hoursOfMs(ms: number): number {
  return ms / MS_PER_HOUR;
}

export const amountSchema = z.object({
  usedMs: durationMsSchema,
  minutes: z.number().min(0).openapi({ description: 'Of the same, not rounded.' }),
  hours: z.number().min(0).openapi({ description: 'Of the same, not rounded.' }),
});

export function amountOf(usedMs: number) {
  return { usedMs, minutes: usedMs / MS_PER_MINUTE, hours: hoursOfMs(usedMs) };
}
