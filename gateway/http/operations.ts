/** The operations port: health, readiness, metrics. Never on the public port, never for tenants. */
import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import type { Log } from '../../core/runtime/log.ts';

/** What a part of the process says of itself; `detail` is for the operator who reads it. */
export interface ReadyPart {
  ok: boolean;
  detail?: string;
}

export interface OperationsDeps {
  /** True once requests are served, false again when the gateway drains. */
  serving(): boolean;
  /** Each thing that must answer before traffic may come: redis, postgres, … */
  parts: Readonly<Record<string, () => Promise<ReadyPart>>>;
  metrics: Registry;
  log: Log;
}

/** A store that hangs must not hang the probe. */
const READY_TIMEOUT_MS = 2_000;

export function createOperations(deps: OperationsDeps): {
  fetch: Hono['fetch'];
  request: Hono['request'];
} {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ ok: deps.serving() }, deps.serving() ? 200 : 503));
  app.get('/readyz', async (c) => {
    const entries = await Promise.all(
      Object.entries(deps.parts).map(async ([name, check]) => [name, await within(check)] as const),
    );
    const ok = deps.serving() && entries.every(([, part]) => part.ok);
    return c.json(
      { ok, serving: deps.serving(), parts: Object.fromEntries(entries) },
      ok ? 200 : 503,
    );
  });
  app.get('/metrics', async (c) =>
    c.body(await deps.metrics.metrics(), 200, { 'content-type': deps.metrics.contentType }),
  );
  app.onError((error, c) => {
    deps.log.error({ err: error, path: c.req.path }, 'an operations request failed');
    return c.json({ ok: false }, 500);
  });
  return app;
}

async function within(check: () => Promise<ReadyPart>): Promise<ReadyPart> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ReadyPart>((resolve) => {
    const detail = `no answer within ${READY_TIMEOUT_MS} ms`;
    timer = setTimeout(() => resolve({ ok: false, detail }), READY_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
