/** What a gateway tells Prometheus. No ids of accounts in labels. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Metering } from './metering.ts';

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
  return registry;
}
