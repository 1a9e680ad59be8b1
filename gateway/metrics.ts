/** What a gateway tells Prometheus. No ids of accounts in labels. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Metering } from './metering.ts';
import type { OutageTotals } from './outage-book.ts';

export function createMetrics(metering: Metering, sockets: () => number): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'taximeter_gateway_' });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `taximeter_gateway_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  /** Sums of this process, by the store that was away. */
  const sum = (name: string, help: string, of: keyof OutageTotals) =>
    new Counter({
      name: `taximeter_gateway_${name}`,
      help,
      labelNames: ['part'],
      registers: [registry],
      collect() {
        this.reset();
        for (const part of ['redis', 'postgres'] as const) {
          this.inc({ part }, metering.book.totals(part)[of]);
        }
      },
    });
  gauge('sockets', 'Open WebSockets.', sockets);
  gauge('sessions', 'Sessions held, detached ones included.', () => metering.hub.size);
  gauge(
    'retained_sessions',
    'Sessions that are over and whose total the ledger has yet to take.',
    () => [...metering.hub.retained()].length,
  );
  gauge(
    'recovering_shards',
    'Shards of the meter that wait for recovery.',
    () => metering.recovery.waiting().length,
  );
  gauge(
    'meter_silent_seconds',
    'Since the meter last answered.',
    () => metering.meterSilentMs() / 1_000,
  );
  sum('outages_total', 'Times at which a store did not answer.', 'outages');
  sum('outage_counted_ms_total', 'Time told late, after an outage of the meter.', 'countedMs');
  sum('outage_charged_ms_total', 'Of it: charged.', 'chargedMs');
  sum('outage_forgiven_ms_total', 'Of it: not charged, as the plan says.', 'forgivenMs');
  sum('outage_terminated_total', 'Sessions stopped, as the plan says.', 'terminated');
  return registry;
}
