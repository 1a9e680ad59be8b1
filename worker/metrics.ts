/** What a worker tells Prometheus. No ids of accounts in labels. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  settled(outcome: { minutes: number; grownMs: number; refused: number }): void;
  recovered(shards: number): void;
  drift(driftMs: number): void;
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
  const drift = new Gauge({
    name: 'taximeter_worker_drift_ms',
    help: 'Difference of meter and ledger that two passes agree on. Zero, always.',
    registers,
  });
  return {
    registry,
    settled(outcome) {
      batches.inc();
      minutes.inc(outcome.minutes);
      seconds.inc(outcome.grownMs / 1000);
      refused.inc(outcome.refused);
    },
    recovered: (shards) => recoveries.inc(shards),
    drift: (driftMs) => drift.set(driftMs),
  };
}
