import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { audit } from './audit.ts';
import { type LoadFlags, parseFlags } from './flags.ts';
import type { Product } from './product/product.ts';
import { openReader } from './read-books.ts';
import { page } from './report/html.ts';
import type { LoadReport } from './report/load-report.ts';
import { summary } from './report/summary.ts';
import { runLoad } from './run-load.ts';

const FLAGS = [
  ...['--sessions', '12', '--organizations', '3', '--alone', '1', '--generators', '2'],
  ...['--seconds', '5', '--ramp', '1', '--drops', '30', '--pauses', '10', '--seed', '5'],
  ...['--limit-seconds', '6', '--limited', '0.4'],
];
/** Two connections a recorder at least, and a stop in the middle: a minute on a busy machine. */
const PATIENCE_MS = 120_000;

let running: TestProduct;
let report: LoadReport;

beforeAll(async () => {
  running = await startTestProduct({ gateways: 2, intervalMs: 1_000 });
  const product: Product = {
    ...{
      urls: running.gatewayUrls.map((url) => url.replace(/^http/, 'ws')),
      apiKey: running.apiKey,
    },
    ...{ redisUrl: running.redisUrl, databaseUrl: running.databaseUrl, incidents: [] },
    pids: new Map(running.gateways.map(({ name, pid }) => [name, pid()])),
    async stop() {},
  };
  const flags = parseFlags(FLAGS) as LoadFlags;
  const { signal } = new AbortController();
  report = await runLoad({ flags, product, say: () => {}, screen: null, signal });
}, PATIENCE_MS);

// Where it did not start there is nothing to stop.
afterAll(() => running?.stop());

describe('a run against the whole product', () => {
  it('finds recorder, meter and ledger to agree on every millisecond', () => {
    // How late a busy machine lets a recorder hear is measured, not asserted.
    const findings = report.audit.findings.filter(
      ({ kind }) => kind !== 'stopwatch' && kind !== 'early',
    );
    expect(findings).toEqual([]);
    expect(report.audit.totals).toMatchObject({ lostMs: 0, doubledMs: 0, overLimitMs: 0 });
    expect(report.audit.totals.acknowledgedMs).toBeGreaterThan(10_000);
  });

  it('had losses, resumes and stops to find that in', () => {
    const { totals } = report.audit;
    expect(totals.connections).toBeGreaterThan(totals.sessions);
    expect(totals.stopped).toBeGreaterThanOrEqual(1);
    expect(report.latenesses.length).toBeGreaterThan(0);
    expect(report.measured.beats).toBeGreaterThan(0);
    expect(report.measured.processes.map(({ name }) => name)).toContain('gateway-2');
  });

  it('would not hold if the ledger had a second less', async () => {
    const reader = await openReader(running.redisUrl, running.databaseUrl);
    const org = report.audit.organizations[0]!.org;
    const books = await reader.books([org], []);
    await reader.stop();
    const minute = books.ledgerSessions[0]!.minutes[0]!;
    minute.ms -= 1_000;
    minute.planMs -= 1_000;
    const kinds = audit([{ org, quotaMs: null, logs: [] }], books).findings.map((it) => it.kind);
    expect(kinds).toContain('apart');
  });

  it('is shown as a page that needs nothing else, and as words', () => {
    const html = page(report);
    // As truths: a page is too long to be shown for its difference.
    expect(html.includes('CPU of each process') && html.includes('</html>')).toBe(true);
    expect(/<script|src=|href=|https?:\/\//.exec(html)).toBeNull();
    expect(summary(report)).toContain('lost');
  });
});
