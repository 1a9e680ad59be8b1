/** The operations port: health, readiness, metrics. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Stoppable } from '../core/runtime/stop.ts';

/** A store that hangs must not hang the probe. */
const READY_TIMEOUT_MS = 2_000;

export interface OperationsOptions {
  port: number;
  metrics: Registry;
  /** true once jobs are worked off */
  isServing(): boolean;
  /** rejects, or hangs, when a store does not answer */
  checks: Readonly<Record<string, () => Promise<unknown>>>;
}

async function answers(check: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), READY_TIMEOUT_MS);
  });
  const asked = check().then(
    () => true,
    () => false,
  );
  const isReady = await Promise.race([asked, late]);
  clearTimeout(timer);
  return isReady;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** Listens; answers its port, which the system chose where 0 was given. */
export async function serveOperations(
  options: OperationsOptions,
): Promise<Stoppable & { port: number }> {
  const { metrics, isServing, checks } = options;

  async function handle(path: string, response: ServerResponse): Promise<void> {
    if (path === '/healthz') {
      send(response, isServing() ? 200 : 503, { ok: isServing() });
    } else if (path === '/readyz') {
      const asked = Object.entries(checks).map(
        async ([name, check]) => [name, await answers(check)] as const,
      );
      const parts = Object.fromEntries(await Promise.all(asked));
      const ok = isServing() && Object.values(parts).every((it) => it);
      send(response, ok ? 200 : 503, { ok, serving: isServing(), parts });
    } else if (path === '/metrics') {
      const text = await metrics.metrics();
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
    } else {
      send(response, 404, { detail: `Nothing is at ${path}: try /healthz, /readyz or /metrics.` });
    }
  }

  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    handle(path, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
