/** What a worker tells Prometheus. No ids of accounts in labels. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  settled(outcome: { minutes: number; grownMs: number; refused: number }): void;
  recovered(shards: number): void;
  /** what the check of periods did in one look, by kind */
  periods(work: Readonly<Record<string, number>>): void;
  /** changes of limits: told to the meter, and waiting to be */
  told(delivered: number, waiting: number): void;
  /** a comparison of payments with Stripe */
  paymentsChecked(outcome: { missed: number; leftOver: number }): void;
  checked(outcome: {
    driftMs: number;
    findings: ReadonlyMap<string, number>;
    tickMs: number;
    roundMs: number | null;
  }): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'taximeter_worker_' });
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `taximeter_worker_${name}`, help, registers });
  const batches = counter('settled_batches_total', 'Batches settled, empty ones not counted.');
  const minutes = counter('settled_minutes_total', 'Minute records that are new to the ledger.');
  const seconds = counter('settled_seconds_total', 'Metered seconds that are new to the ledger.');
  const refused = counter('refused_fields_total', 'Fields that Postgres refused, at each attempt.');
  const recoveries = counter('recovered_shards_total', 'Shards of the meter that were recovered.');
  const periods = new Counter({
    name: 'taximeter_worker_periods_total',
    help: 'Billing periods that were made ahead, told to the meter, or repaired, by kind.',
    labelNames: ['what'],
    registers,
  });
  const delivered = counter('outbox_delivered_total', 'Changes of limits told to the meter.');
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `taximeter_${name}`, help, labelNames, registers });
  const waitingWords = gauge('outbox_words', 'Changes of limits that the meter was not told yet.');
  const drift = gauge(
    'drift_ms',
    'Difference of meter and ledger that two looks agree on, all budgets together. Zero, always.',
  );
  const findings = gauge('findings', 'What the running check finds wrong at present.', ['code']);
  const tick = gauge('check_tick_seconds', 'How long the last tick of the running check took.');
  const round = gauge(
    'check_round_seconds',
    'How long the running check took for all organizations, the last time it came around.',
  );
  const missed = counter('payments_missed_total', 'Facts of payments that no webhook had told.');
  const leftOver = gauge('payments_left_over', 'Payments that a person has to look at.');
  return {
    registry,
    settled(outcome) {
      batches.inc();
      minutes.inc(outcome.minutes);
      seconds.inc(outcome.grownMs / 1000);
      refused.inc(outcome.refused);
    },
    recovered: (shards) => recoveries.inc(shards),
    periods(work) {
      for (const [what, count] of Object.entries(work)) periods.inc({ what }, count);
    },
    told(count, waiting) {
      delivered.inc(count);
      waitingWords.set(waiting);
    },
    paymentsChecked(outcome) {
      missed.inc(outcome.missed);
      leftOver.set(outcome.leftOver);
    },
    checked(outcome) {
      drift.set(outcome.driftMs);
      // Codes that are well again leave.
      findings.reset();
      for (const [code, count] of outcome.findings) findings.set({ code }, count);
      tick.set(outcome.tickMs / 1000);
      if (outcome.roundMs !== null) round.set(outcome.roundMs / 1000);
    },
  };
}
