/** Small pieces that several areas share: ids, instants, durations, limits, pages. */
import { z } from '@hono/zod-openapi';
import { isId } from '../../core/protocol/limits.ts';
import { ProblemError } from './problem.ts';

export const MS_PER_MINUTE = 60_000;
/** 190 years: beyond any quota, and far from where integers stop being exact. */
export const MAX_MINUTES = 100_000_000;
export const DEFAULT_PAGE_ITEMS = 50;
export const MAX_PAGE_ITEMS = 200;

const ID_WORDS = 'must be 1 to 128 of A-Z a-z 0-9 . _ : -, first a letter or digit';

/** Ids of organizations, members, sessions, plans: the caller's own. */
export function idSchema(example: string) {
  return z
    .string()
    .refine(isId, { message: ID_WORDS })
    .openapi({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$', example });
}

export const orgParams = z.object({ org: idSchema('acme') });

export const instantSchema = z
  .string()
  .openapi({ format: 'date-time', example: '2026-03-01T09:30:00.000Z' });
/** Years that a database keeps, whatever zone or range is added to an instant of theirs. */
const FIRST_AT = 0;
const LAST_AT = Date.UTC(9999, 0, 1);
const YEARS = { message: 'must lie between the years 1970 and 9999' };
const isOfYears = (text: string) => Date.parse(text) >= FIRST_AT && Date.parse(text) < LAST_AT;

/** An instant as a caller may say it, with any offset; read as epoch milliseconds. */
export const givenInstant = z.iso
  .datetime({
    ...{ offset: true, abort: true },
    message: 'must be an instant with offset, like 2026-03-01T09:30:00Z',
  })
  .refine(isOfYears, YEARS)
  .transform((text) => Date.parse(text));
/** A local day as a caller may say it. */
export const givenDay = z.iso
  .date({ abort: true, message: 'must be a day, like 2026-03-01' })
  .refine(isOfYears, YEARS)
  .openapi({ example: '2026-03-01' });
export const durationMsSchema = z.int().min(0).openapi({ example: 90_000 });

/** Epoch milliseconds to ISO 8601 with offset. */
export function instant(at: number): string {
  return new Date(at).toISOString();
}
/** null: never; what is later than years of four digits say is as good as that. */
export function instantOrNull(at: number | null): string | null {
  return at === null || at >= LAST_AT ? null : instant(at);
}

const UNLIMITED_WORDS = `must be a number from 0 to ${MAX_MINUTES}, or -1 or null for unlimited`;

function unlimitedOr<T extends z.ZodNumber>(number: T, words: string) {
  return number
    .refine((value) => value >= 0 || value === -1, { message: words })
    .nullable()
    .transform((value) => (value === -1 ? null : value))
    .openapi({ minimum: -1 });
}

/** Minutes or hours; fractions allowed. -1 and null both mean unlimited, and are read as null. */
export const amountOfTime = unlimitedOr(z.number().max(MAX_MINUTES), UNLIMITED_WORDS);
const COUNT_WORDS = 'must be a whole number of 0 or more, or -1 or null for unlimited';
/** Of 32 bits, as it is kept. */
const MAX_COUNT = 2_147_483_647;
/** A number of things. -1 and null both mean unlimited, and are read as null. */
export const countLimit = unlimitedOr(z.int().max(MAX_COUNT), COUNT_WORDS);
export const bytesLimit = unlimitedOr(z.int().max(Number.MAX_SAFE_INTEGER), COUNT_WORDS);

/** Fractions of a minute are kept as the nearest millisecond. */
export function msOfMinutes(minutes: number | null): number | null {
  return minutes === null ? null : Math.round(minutes * MS_PER_MINUTE);
}
export function minutesOfMs(ms: number | null): number | null {
  return ms === null ? null : ms / MS_PER_MINUTE;
}

/** A quota comes in minutes or in hours, not both. Undefined when neither was given. */
export function quotaMsOf(body: {
  minutes?: number | null | undefined;
  hours?: number | null | undefined;
}): number | null | undefined {
  if (body.minutes !== undefined) return msOfMinutes(body.minutes);
  if (body.hours !== undefined) return msOfMinutes(body.hours === null ? null : body.hours * 60);
  return undefined;
}
export const EITHER_WORDS = 'takes minutes or hours, not both';
export function eitherMinutesOrHours(body: {
  minutes?: number | null | undefined;
  hours?: number | null | undefined;
}): boolean {
  return body.minutes === undefined || body.hours === undefined;
}

export const nameSchema = z.string().trim().min(1).max(200);

export const pageQuery = z.object({
  cursor: z.string().max(1_000).optional().openapi({
    description: '`nextCursor` of the page before.',
  }),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_ITEMS).default(DEFAULT_PAGE_ITEMS),
});

/** One page of a list; `nextCursor` is null on the last one. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** A JSON body of a response or, with `required`, of a request. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { content: { 'application/json': { schema } }, description };
}
export function jsonBody<T extends z.ZodType>(schema: T) {
  return { body: { content: { 'application/json': { schema } }, required: true } } as const;
}

/** What GET shows may be PUT back, with its id in it; another id would mean another resource. */
export function samePathAndBody(field: string, inPath: string, inBody: string | undefined): void {
  if (inBody === undefined || inBody === inPath) return;
  throw new ProblemError(
    'invalid',
    `The body's ${field} is "${inBody}", the path's is "${inPath}": leave it out or make them the same.`,
    { errors: [{ pointer: `/${field}`, detail: `must be "${inPath}", as in the path` }] },
  );
}
