/** Organizations and members as the API takes and shows them, and their rows. */
import { z } from '@hono/zod-openapi';
import { isTimeZone } from '../../core/calendar/local-day.ts';
import { FIRST_ANCHOR_DAY, LAST_ANCHOR_DAY } from '../../core/calendar/period.ts';
import type { organizationMembers, organizations } from '../../drizzle/schema/organizations.ts';
import { featureSchema, featuresSchema } from './plan-schema.ts';
import {
  amountOfTime,
  countLimit,
  EITHER_WORDS,
  eitherMinutesOrHours,
  idSchema,
  instantOrNull,
  instantSchema,
  minutesOfMs,
  nameSchema,
  quotaMsOf,
} from './schemas.ts';

const OWN_LIMIT = 'Its own limit of a period. null or -1 = none.';
const shownMinutes = z.number().min(0).nullable().openapi({ description: OWN_LIMIT });
const timeZoneSchema = z
  .string()
  .refine(isTimeZone, { message: 'must be an IANA time zone, like Europe/Berlin' })
  .openapi({ example: 'Europe/Berlin' });

const overdueSinceSchema = instantSchema.nullable().openapi({
  description: 'Since when an invoice is unpaid. GET …/usage says until when that changes nothing.',
});

export const organizationBodySchema = z
  .strictObject({
    org: idSchema('acme').optional().openapi({ description: 'As in the path, if given.' }),
    name: nameSchema,
    plan: idSchema('pro'),
    timeZone: timeZoneSchema.default('UTC'),
    anchorDay: z
      .int()
      .min(FIRST_ANCHOR_DAY)
      .max(LAST_ANCHOR_DAY)
      .default(FIRST_ANCHOR_DAY)
      .openapi({
        description: 'Day of the month on which a period begins; kept through short months.',
      }),
    minutes: amountOfTime.optional().openapi({ description: OWN_LIMIT }),
    hours: amountOfTime.optional().openapi({ description: 'Instead of `minutes`.' }),
    suspended: z.boolean().default(false).openapi({ description: 'Stops its sessions at once.' }),
    paymentOverdueSince: overdueSinceSchema.optional().openapi({
      description: 'As it is shown; Stripe alone sets it.',
    }),
  })
  .refine(eitherMinutesOrHours, { message: EITHER_WORDS })
  .openapi('OrganizationBody');
export type OrganizationBody = z.output<typeof organizationBodySchema>;

export const organizationSchema = z
  .object({
    org: idSchema('acme'),
    name: z.string(),
    plan: idSchema('pro'),
    timeZone: z.string(),
    anchorDay: z.int(),
    minutes: shownMinutes,
    suspended: z.boolean(),
    paymentOverdueSince: overdueSinceSchema,
  })
  .openapi('Organization', { description: 'The account that pays. PUT it back as it is.' });
export type OrganizationShown = z.infer<typeof organizationSchema>;

type OrganizationRow = typeof organizations.$inferSelect;

export function organizationValues(body: OrganizationBody) {
  const { name, plan, timeZone, anchorDay, suspended } = body;
  return { name, plan, timeZone, anchorDay, suspended, quotaMs: quotaMsOf(body) ?? null };
}

export function organizationShown(row: OrganizationRow): OrganizationShown {
  const { id: org, name, plan, timeZone, anchorDay, suspended } = row;
  const minutes = minutesOfMs(row.quotaMs);
  const paymentOverdueSince = instantOrNull(row.paymentOverdueSince);
  return { org, name, plan, timeZone, anchorDay, minutes, suspended, paymentOverdueSince };
}

const emailSchema = z.email({ message: 'must be an e-mail address' }).max(320);

export const memberBodySchema = z
  .strictObject({
    org: idSchema('acme').optional().openapi({ description: 'As in the path, if given.' }),
    user: idSchema('ann').optional().openapi({ description: 'As in the path, if given.' }),
    name: nameSchema.nullable().default(null),
    email: emailSchema.nullable().default(null),
    minutes: amountOfTime.optional().openapi({ description: OWN_LIMIT }),
    hours: amountOfTime.optional().openapi({ description: 'Instead of `minutes`.' }),
    concurrentSessions: countLimit.default(null),
    features: featuresSchema.default({}).openapi({
      description:
        'Its own limits of features, beside those of the plan: the most restrictive one counts. They ' +
        'open nothing that the plan lacks.',
    }),
    sessionsPerDay: countLimit.default(null),
  })
  .refine(eitherMinutesOrHours, { message: EITHER_WORDS })
  .openapi('MemberBody');
export type MemberBody = z.output<typeof memberBodySchema>;

export const memberSchema = z
  .object({
    org: idSchema('acme'),
    user: idSchema('ann'),
    name: z.string().nullable(),
    email: z.string().nullable(),
    minutes: shownMinutes,
    concurrentSessions: z.int().min(0).nullable(),
    features: z.record(z.string(), featureSchema),
    sessionsPerDay: z.int().min(0).nullable(),
  })
  .openapi('Member', { description: 'A person in an organization. PUT it back as it is.' });
export type MemberShown = z.infer<typeof memberSchema>;

type MemberRow = typeof organizationMembers.$inferSelect;

export function memberValues(body: MemberBody) {
  const { name, email, concurrentSessions, sessionsPerDay, features } = body;
  const quotaMs = quotaMsOf(body) ?? null;
  return { name, email, concurrentSessions, sessionsPerDay, features, quotaMs };
}

export function memberShown(row: MemberRow): MemberShown {
  const { org, user, name, email, concurrentSessions, sessionsPerDay, features } = row;
  const minutes = minutesOfMs(row.quotaMs);
  return { org, user, name, email, minutes, concurrentSessions, sessionsPerDay, features };
}
