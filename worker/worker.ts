/** A worker as it runs: stores, jobs, sweeps, and an orderly end. Any number may run. */
import { meterKeys } from '../core/meter/keys.ts';
import { createMeter } from '../core/meter/meter.ts';
import { systemClock } from '../core/runtime/clock.ts';
import type { Log } from '../core/runtime/log.ts';
import { connectMeter } from '../core/runtime/redis.ts';
import { checkRedisSettings } from '../core/runtime/redis-settings.ts';
import type { StopList } from '../core/runtime/stop.ts';
import { connect } from '../drizzle/client.ts';
import { checkDatabase } from '../drizzle/database-settings.ts';
import { setSpeed } from '../drizzle/queries/clock.ts';
import { connectStripe } from '../payments/stripe.ts';
import type { WorkerConfig } from './config.ts';
import { startLotDeadlines } from './jobs/lot-deadlines.ts';
import { startOutbox } from './jobs/outbox.ts';
import { startOverage } from './jobs/overage.ts';
import { startPaymentCheck } from './jobs/payment-check.ts';
import { startPaymentGrace } from './jobs/payment-grace.ts';
import { startPeriodCheck } from './jobs/period-check.ts';
import { startReconcile } from './jobs/reconcile.ts';
import { startReconcileAsked } from './jobs/reconcile-asked.ts';
import { type RecoverJobs, startRecoverJobs } from './jobs/recover.ts';
import { createSessionSweep, startSessionSweep } from './jobs/session-sweep.ts';
import { startSettleJobs } from './jobs/settle.ts';
import { startTopUps } from './jobs/top-up.ts';
import { startUnsettledSweep } from './jobs/unsettled-sweep.ts';
import { createShardSettler } from './ledger/shard-settler.ts';
import { createMetrics } from './metrics.ts';
import { serveOperations } from './operations.ts';
import type { RecoveryContext } from './recovery/recover.ts';
import type { Repeated } from './repeat.ts';

const CONNECTIONS = 16;
const RECOVERY_LOOK_MS = 1_000;
const OUTBOX_LOOK_MS = 1_000;
const PERIOD_LOOK_MS = 60_000;
const LOTS_LOOK_MS = 1_000;
const GRACE_LOOK_MS = 1_000;
const TOP_UP_LOOK_MS = 1_000;
const OVERAGE_LOOK_MS = 60_000;

/** Starts a worker; what it started is added to `stops`, in order. Answers its operations port. */
export async function startWorker(
  config: WorkerConfig,
  log: Log,
  stops: StopList,
): Promise<{ operationsPort: number }> {
  const { monotonicMs, wallMs } = systemClock;
  const metrics = createMetrics();
  const url = config.redisUrl;
  const database = connect(config.databaseUrl, {
    ...{ name: config.name, connections: CONNECTIONS },
    scope: 'worker',
  });
  stops.add('Postgres', database);
  const { development, speed } = config;
  for (const warning of await checkDatabase(database, 'worker', { development })) log.warn(warning);
  const { db, sql } = database;

  const redis = connectMeter(url, { log, name: `${config.name}-meter` });
  stops.add('Redis', redis);
  await redis.ready();
  for (const warning of await checkRedisSettings(redis, { development })) log.warn(warning);
  if (speed !== null && (await db.transaction((tx) => setSpeed(tx, speed, wallMs())))) {
    log.info({ speed }, 'the test clock was set');
  }

  let isServing = false;
  const operations = await serveOperations({
    port: config.operationsPort,
    metrics: metrics.registry,
    isServing: () => isServing,
    checks: {
      redis: () => Promise.any(redis.servers().map((it) => it.redis.ping())),
      postgres: () => sql`select 1`,
    },
  });
  stops.add('operations', operations);

  const meter = createMeter(redis);
  const runId = (shard: number) => redis.serverOf(meterKeys().head(shard))?.runId() ?? null;
  const context: RecoveryContext = { meter, db, sql, log, wallMs, runId };
  let recovering: RecoverJobs | null = null;
  let topUps: Repeated | null = null;
  const settler = createShardSettler({
    context,
    needsRecovery: (shard) => recovering?.need(shard),
    settled(_shard, outcome) {
      if (outcome.fields > 0) metrics.settled(outcome);
      if (outcome.grownMs > 0) topUps?.wake();
    },
  });
  stops.add('settling', { stop: () => settler.idle() });

  recovering = startRecoverJobs({
    ...{ url, context, log, everyMs: RECOVERY_LOOK_MS },
    recovered: (shards) => metrics.recovered(shards.length),
  });
  stops.add('recover', recovering);
  await recovering.looked;
  const askedEvery = { everyMs: OUTBOX_LOOK_MS };
  stops.add('outbox', await startOutbox({ context, log, ...askedEvery, told: metrics.told }));
  const lots = startLotDeadlines({ context, log, everyMs: LOTS_LOOK_MS });
  stops.add('lot-deadlines', lots);
  // Without a key too: what is owed already does not wait for one.
  stops.add('payment-grace', startPaymentGrace({ context, log, everyMs: GRACE_LOOK_MS }));
  stops.add('reconcile-asked', await startReconcileAsked({ context, log, ...askedEvery }));
  stops.add('settle', startSettleJobs({ url, log, settler }));
  const everyMs = config.unsettledSweepMs;
  stops.add('unsettled-sweep', startUnsettledSweep({ settler, everyMs, log }));
  const sweep = createSessionSweep({ context, settler, windows: config, monotonicMs });
  stops.add('session-sweep', startSessionSweep(sweep, config.sessionSweepMs, log));
  const periodsEvery = { everyMs: PERIOD_LOOK_MS, done: metrics.periods };
  stops.add('period-check', startPeriodCheck({ context, log, ...periodsEvery }));
  stops.add(
    'reconcile',
    startReconcile({ context, log, everyMs: config.reconcileMs, measured: metrics.checked }),
  );
  if (config.payments !== null) {
    const stripe = connectStripe(config.payments);
    const { livemode } = config.payments;
    const checked = metrics.paymentsChecked;
    stops.add(
      'payment-check',
      await startPaymentCheck({ context, stripe, livemode, log, checked }),
    );
    const paying = { context, stripe, livemode, log };
    topUps = startTopUps({ ...paying, everyMs: TOP_UP_LOOK_MS });
    stops.add('top-up', topUps);
    stops.add('overage', startOverage({ ...paying, everyMs: OVERAGE_LOOK_MS }));
  } else {
    log.info('STRIPE_SECRET_KEY is not set: nothing is topped up, and no overage is reported');
  }
  isServing = true;
  stops.add('serving', {
    async stop() {
      isServing = false;
    },
  });
  return { operationsPort: operations.port };
}
