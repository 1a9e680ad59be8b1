/**
 * How often a caller may ask: 429 with Retry-After, and the RateLimit headers of the IETF's draft
 * (draft-ietf-httpapi-ratelimit-headers) with every answer, so that a client can slow down before.
 */
import type { Context } from 'hono';
import type { Rate } from '../limits/rate.ts';
import { ProblemError } from './problem.ts';
import type { HttpEnv } from './router.ts';

const POLICY = 'credentials';

/** @throws ProblemError `rateLimited` */
export async function holdRate(rate: Rate, id: string, c: Context<HttpEnv>): Promise<void> {
  const { isAllowed, remaining, resetSeconds, retryAfterSeconds } = await rate.take(id);
  const headers = {
    'ratelimit-policy': `"${POLICY}";q=${rate.burst};w=${Math.ceil(rate.burst / rate.perSecond)}`,
    ratelimit: `"${POLICY}";r=${remaining};t=${resetSeconds}`,
  };
  if (isAllowed) {
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
    return;
  }
  throw new ProblemError(
    'rateLimited',
    `These credentials may ask ${rate.perSecond} times a second, and ${rate.burst} times at once. ` +
      `Ask again in ${retryAfterSeconds} s.`,
    { headers: { ...headers, 'retry-after': String(retryAfterSeconds) } },
  );
}
