/** Ends of a range in a query, within the years that the database can hold. */
import { z } from '@hono/zod-openapi';

const FIRST_AT = 0;
const LAST_AT = Date.UTC(9999, 0, 1);
const message = 'must lie between the years 1970 and 9999';

function isWithin(text: string): boolean {
  const at = Date.parse(text);
  return at >= FIRST_AT && at < LAST_AT;
}

export const instantBound = z.iso.datetime({ offset: true }).refine(isWithin, { message });
export const dayBound = z.iso.date().refine(isWithin, { message });
