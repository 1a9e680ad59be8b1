import { Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../core/runtime/log.ts';
import { createOperations, type OperationsDeps } from './operations.ts';

const log = createLog({ name: 'test', level: 'silent' });

function operations(changes: Partial<OperationsDeps> = {}) {
  const metrics = new Registry();
  new Counter({ name: 'beats_total', help: 'Beats.', registers: [metrics] }).inc(3);
  return createOperations({
    serving: () => true,
    parts: { redis: async () => ({ ok: true }) },
    metrics,
    log,
    ...changes,
  });
}

describe('the operations port', () => {
  it('is healthy only once requests are served', async () => {
    expect((await operations().request('/healthz')).status).toBe(200);
    const starting = operations({ serving: () => false });
    expect((await starting.request('/healthz')).status).toBe(503);
    expect((await starting.request('/readyz')).status).toBe(503);
  });

  it('is ready when every part answers, and names the one that does not', async () => {
    expect((await operations().request('/readyz')).status).toBe(200);
    const parts = {
      redis: async () => ({ ok: true }),
      postgres: async () => {
        throw new Error('connection refused');
      },
    };
    const response = await operations({ parts }).request('/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      ok: false,
      serving: true,
      parts: { redis: { ok: true }, postgres: { ok: false, detail: 'connection refused' } },
    });
  });

  it('does not hang with a part that hangs', async () => {
    const parts = { redis: () => new Promise<{ ok: boolean }>(() => {}) };
    const response = await operations({ parts }).request('/readyz');
    expect(response.status).toBe(503);
    expect(JSON.stringify(await response.json())).toContain('no answer within');
  });

  it('shows the metrics', async () => {
    const response = await operations().request('/metrics');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await response.text()).toContain('beats_total 3');
  });
});
