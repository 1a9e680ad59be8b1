/** The operations port of several gateway processes: one address, and each of them to be seen. */
import { Hono } from 'hono';
import { AggregatorRegistry, Gauge, type MetricObject, Registry } from 'prom-client';
import type { Answer, GatewayProcess } from './process.ts';

export interface ProcessesDeps {
  processes(): readonly GatewayProcess[];
  /** From the moment all have served until the stop begins. */
  isOpen(): boolean;
}

/** Good while at least one of them is: the port then serves, for who is down gets no connections. */
export function createProcessesOperations({ processes, isOpen }: ProcessesDeps): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => {
    const ok = isOpen() && processes().some(({ isServing }) => isServing);
    const gateways = processes().map(({ name, pid, isServing }) => [name, { ok: isServing, pid }]);
    return c.json({ ok, gateways: Object.fromEntries(gateways) }, ok ? 200 : 503);
  });
  app.get('/readyz', async (c) => {
    const answers = await Promise.all(processes().map((it) => it.ask('/readyz')));
    const ok = isOpen() && answers.some((answer) => answer?.status === 200);
    const gateways = processes().map(({ name }, i) => [name, readiness(answers[i] ?? null)]);
    return c.json({ ok, gateways: Object.fromEntries(gateways) }, ok ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    const asked = processes();
    const answers = await Promise.all(asked.map((it) => it.ask('/metrics')));
    const registry = join(answers.flatMap((answer) => (answer ? [answer.body] : [])));
    const up = new Gauge({
      name: 'taximeter_gateway_process_up',
      help: 'Whether a gateway process serves and answered this very question.',
      labelNames: ['gateway'],
      registers: [registry],
    });
    asked.forEach(({ name }, i) => void up.set({ gateway: name }, answers[i] ? 1 : 0));
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType });
  });
  return app;
}

function readiness(answer: Answer | null): unknown {
  return answer ? JSON.parse(answer.body) : { ok: false, detail: 'it does not answer' };
}

/** Nothing is added up: every value carries the label of its process, and sums are Prometheus' work. */
function join(bodies: readonly string[]): Registry {
  const all = bodies.map((body) => JSON.parse(body) as MetricObject[]);
  if (all.length === 0) return new Registry();
  // Else what has no sum, like a start time, would be left out.
  return AggregatorRegistry.aggregate(
    all.map((metrics) => metrics.map((metric) => ({ ...metric, aggregator: 'sum' as const }))),
  );
}
