/** A plan between its row and its shape in the API. */
import type { plans } from '../../drizzle/schema/plans.ts';
import { DEFAULT_QUEUE_WAIT_SECONDS, type PlanBody, type PlanShown } from './plan-schema.ts';
import { minutesOfMs, msOfMinutes, quotaMsOf } from './schemas.ts';

type PlanRow = typeof plans.$inferSelect;
type PlanValues = Omit<PlanRow, 'id' | 'createdAt' | 'updatedAt'>;

const MS_PER_SECOND = 1_000;

/** `hours` counts where it was given. */
function msOf(minutes: number | null, hours: number | null | undefined): number | null {
  return (hours === undefined ? undefined : quotaMsOf({ hours })) ?? msOfMinutes(minutes);
}

export function planValues(body: PlanBody): PlanValues {
  return {
    name: body.name,
    quotaMs: quotaMsOf(body) ?? null,
    concurrentSessions: body.concurrentSessions,
    maxSessionMs: msOf(body.maxSessionMinutes, body.maxSessionHours),
    sessionsPerDay: body.sessionsPerDay,
    queueMax: body.concurrencyQueue?.max ?? null,
    queueWaitMs:
      (body.concurrencyQueue?.maxWaitSeconds ?? DEFAULT_QUEUE_WAIT_SECONDS) * MS_PER_SECOND,
    maxFileBytes: body.maxFileBytes,
    dailyCostCents: body.dailyCostCents,
    features: body.features,
    thresholds: body.thresholds,
    atLimit: body.atLimit,
    overageCapMs: msOf(body.overageCapMinutes, body.overageCapHours),
    roundTo: body.roundTo,
    overageMeter: body.overageMeter,
    paymentGraceDays: body.paymentGraceDays,
    onMeterFailure: body.onMeterFailure,
    meterFailureMs: body.meterFailureSeconds * MS_PER_SECOND,
    outageTime: body.outageTime,
    enforcement: body.enforcement,
    saveWindowMs: Math.round(body.saveWindowSeconds * MS_PER_SECOND),
    paymentHoldMs: body.paymentHoldSeconds * MS_PER_SECOND,
  };
}

export function planShown(row: PlanRow): PlanShown {
  return {
    plan: row.id,
    name: row.name,
    minutes: minutesOfMs(row.quotaMs),
    concurrentSessions: row.concurrentSessions,
    maxSessionMinutes: minutesOfMs(row.maxSessionMs),
    sessionsPerDay: row.sessionsPerDay,
    concurrencyQueue:
      row.queueMax === null
        ? null
        : { max: row.queueMax, maxWaitSeconds: row.queueWaitMs / MS_PER_SECOND },
    maxFileBytes: row.maxFileBytes,
    dailyCostCents: row.dailyCostCents,
    features: row.features,
    thresholds: row.thresholds,
    atLimit: row.atLimit,
    overageCapMinutes: minutesOfMs(row.overageCapMs),
    roundTo: row.roundTo,
    overageMeter: row.overageMeter,
    paymentGraceDays: row.paymentGraceDays,
    onMeterFailure: row.onMeterFailure,
    meterFailureSeconds: row.meterFailureMs / MS_PER_SECOND,
    outageTime: row.outageTime,
    enforcement: row.enforcement,
    saveWindowSeconds: row.saveWindowMs / MS_PER_SECOND,
    paymentHoldSeconds: row.paymentHoldMs / MS_PER_SECOND,
  };
}
