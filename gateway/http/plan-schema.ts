/** A plan as the API takes and shows it. All but `name` is optional; the defaults stand here. */
import { z } from '@hono/zod-openapi';
import {
  amountOfTime,
  bytesLimit,
  countLimit,
  EITHER_WORDS,
  eitherMinutesOrHours,
  idSchema,
  MAX_MINUTES,
  msOfMinutes,
  nameSchema,
} from './schemas.ts';

const MAX_THRESHOLDS = 10;
const MAX_FEATURES = 100;
/** A gateway that drains must not wait longer for recorders to save. */
const MAX_SAVE_WINDOW_SECONDS = 300;
const MAX_METER_FAILURE_SECONDS = 24 * 3_600;
/** As the table `plans` holds it. Nobody pays for what is lent and never paid. */
const MAX_PAYMENT_HOLD_SECONDS = 600;
/** Percent levels may lie above 100: extra minutes carry use past the plan's quota. */
const MAX_PERCENT = 1_000;

/** Stripe's own limit of an event name. */
const MAX_METER_CHARACTERS = 100;
const MAX_GRACE_DAYS = 365;
const DEFAULT_GRACE_DAYS = 7;

export const DEFAULT_PERCENT_LEVELS = [80, 90, 100];
export const DEFAULT_REMAINING_MINUTES_LEVELS = [10, 5, 1];
export const DEFAULT_SAVE_WINDOW_SECONDS = 10;
export const DEFAULT_METER_FAILURE_SECONDS = 600;

const longestSession = amountOfTime.refine((amount) => msOfMinutes(amount) !== 0, {
  message: 'must be a millisecond at least, or -1 or null for no limit',
});

export const featureSchema = z
  .union([z.boolean(), z.strictObject({ limit: z.int().min(0), per: z.enum(['day', 'month']) })])
  .openapi({ description: 'Yes, no, or a quota counted by the piece.' });

/** Whole: a crossing is named by its level. */
const percentLevels = z.array(z.int().min(1).max(MAX_PERCENT)).max(MAX_THRESHOLDS);
const minutesLevels = z.array(z.number().positive().max(MAX_MINUTES)).max(MAX_THRESHOLDS);

const thresholdsSchema = z.strictObject({
  percent: percentLevels.default(DEFAULT_PERCENT_LEVELS),
  remainingMinutes: minutesLevels.default(DEFAULT_REMAINING_MINUTES_LEVELS),
});

export const featuresSchema = z
  .record(idSchema('analysis'), featureSchema)
  .refine((features) => Object.keys(features).length <= MAX_FEATURES, {
    message: `has more than ${MAX_FEATURES} features`,
  });
/** Each of them asks again every second or so. */
const MAX_QUEUE = 1_000;
const MAX_QUEUE_WAIT_SECONDS = 3_600;
export const DEFAULT_QUEUE_WAIT_SECONDS = 60;

const queueSchema = z.strictObject({
  max: z.int().min(1).max(MAX_QUEUE).openapi({ description: 'How many may wait.' }),
  maxWaitSeconds: z
    .int()
    .min(1)
    .max(MAX_QUEUE_WAIT_SECONDS)
    .default(DEFAULT_QUEUE_WAIT_SECONDS)
    .openapi({ description: 'Who has waited so long is refused.' }),
});

const rules = {
  concurrentSessions: countLimit.default(null),
  maxSessionMinutes: longestSession.default(null),
  maxSessionHours: longestSession.optional().openapi({
    description: 'Instead of `maxSessionMinutes`.',
  }),
  sessionsPerDay: countLimit.default(null),
  concurrencyQueue: queueSchema.nullable().default(null).openapi({
    description:
      'Who finds all `concurrentSessions` running waits for a place, in order. null: is refused.',
  }),
  maxFileBytes: bytesLimit.default(null),
  dailyCostCents: countLimit.default(null).openapi({
    description: 'Ceiling of what the usage events of a local day cost. null or -1 = none.',
  }),
  features: featuresSchema.default({}),
  thresholds: thresholdsSchema.default({
    percent: DEFAULT_PERCENT_LEVELS,
    remainingMinutes: DEFAULT_REMAINING_MINUTES_LEVELS,
  }),
  atLimit: z.enum(['stop', 'overage']).default('stop'),
  overageCapMinutes: amountOfTime.default(null).openapi({
    description: 'With `overage`: how far past the limit. null = no cap.',
  }),
  overageCapHours: amountOfTime.optional().openapi({
    description: 'Instead of `overageCapMinutes`.',
  }),
  roundTo: z.enum(['second', 'minute']).default('second').openapi({
    description: 'Of reports and invoices only: metering is to the millisecond.',
  }),
  overageMeter: z
    .string()
    .regex(/^\S+$/, { message: "must be the event name of one of Stripe's billing meters" })
    .max(MAX_METER_CHARACTERS)
    .nullable()
    .default(null)
    .openapi({
      description:
        "Event name of Stripe's billing meter that overage is reported to, in whole minutes. null: none.",
      example: 'overage_minutes',
    }),
  paymentGraceDays: z.int().min(0).max(MAX_GRACE_DAYS).default(DEFAULT_GRACE_DAYS).openapi({
    description: 'How long an unpaid invoice changes nothing; after it there is no overage.',
  }),
  onMeterFailure: z.enum(['continue', 'terminate']).default('continue'),
  meterFailureSeconds: z
    .int()
    .min(0)
    .max(MAX_METER_FAILURE_SECONDS)
    .default(DEFAULT_METER_FAILURE_SECONDS)
    .openapi({ description: 'How long `continue` goes on.' }),
  outageTime: z
    .enum(['charge', 'forgive'])
    .default('charge')
    .openapi({
      description:
        'Of time recorded while the meter could not be asked: `charge` charges it afterwards, up to ' +
        'the limit; `forgive` records it beside the charge, as overshoot.',
    }),
  enforcement: z.enum(['enforce', 'shadow']).default('enforce').openapi({
    description: '`shadow` decides and records, and blocks nothing.',
  }),
  saveWindowSeconds: z
    .number()
    .min(0)
    .max(MAX_SAVE_WINDOW_SECONDS)
    .default(DEFAULT_SAVE_WINDOW_SECONDS),
  paymentHoldSeconds: z.int().min(0).max(MAX_PAYMENT_HOLD_SECONDS).default(0).openapi({
    description:
      'Of metered time: lent while a payment for extra minutes that was started confirms. 0 = none.',
  }),
};

export const planBodySchema = z
  .strictObject({
    plan: idSchema('pro').optional().openapi({ description: 'As in the path, if given.' }),
    name: nameSchema,
    minutes: amountOfTime.optional().openapi({
      description: 'Quota of a period. null or -1 = unlimited, which is the default.',
    }),
    hours: amountOfTime.optional().openapi({ description: 'Instead of `minutes`.' }),
    ...rules,
  })
  .refine(eitherMinutesOrHours, { message: EITHER_WORDS })
  // Left out they are null, which limits nothing.
  .refine((body) => body.maxSessionMinutes === null || body.maxSessionHours === undefined, {
    message: 'takes maxSessionMinutes or maxSessionHours, not both',
  })
  .refine((body) => body.overageCapMinutes === null || body.overageCapHours === undefined, {
    message: 'takes overageCapMinutes or overageCapHours, not both',
  })
  .openapi('PlanBody');
export type PlanBody = z.output<typeof planBodySchema>;

const shownCount = z.int().min(0).nullable();
const shownMinutes = z.number().min(0).nullable();

export const planSchema = z
  .object({
    plan: idSchema('pro'),
    name: z.string(),
    minutes: shownMinutes.openapi({ description: 'null = unlimited' }),
    concurrentSessions: shownCount,
    maxSessionMinutes: shownMinutes,
    sessionsPerDay: shownCount,
    concurrencyQueue: z.object({ max: z.int(), maxWaitSeconds: z.int() }).nullable(),
    maxFileBytes: shownCount,
    dailyCostCents: shownCount,
    features: z.record(z.string(), featureSchema),
    thresholds: z.object({
      percent: z.array(z.number()),
      remainingMinutes: z.array(z.number()),
    }),
    atLimit: z.enum(['stop', 'overage']),
    overageCapMinutes: shownMinutes,
    roundTo: z.enum(['second', 'minute']),
    overageMeter: z.string().nullable(),
    paymentGraceDays: z.int().min(0),
    onMeterFailure: z.enum(['continue', 'terminate']),
    meterFailureSeconds: z.int().min(0),
    outageTime: z.enum(['charge', 'forgive']),
    enforcement: z.enum(['enforce', 'shadow']),
    saveWindowSeconds: z.number().min(0),
    paymentHoldSeconds: z.int().min(0),
  })
  .openapi('Plan', { description: 'What organizations subscribe to. PUT it back as it is.' });
export type PlanShown = z.infer<typeof planSchema>;
