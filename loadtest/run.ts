/** `npm run loadtest`: starts a product, loads it, audits what it counted, says how it went. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCommand } from '../core/runtime/command.ts';
import { HELP, type LoadFlags, parseFlags } from './flags.ts';
import { givenProduct } from './product/given.ts';
import { startOwnProduct } from './product/own.ts';
import type { Product } from './product/product.ts';
import { page } from './report/html.ts';
import { isGood, type LoadReport } from './report/load-report.ts';
import { summary } from './report/summary.ts';
import { runLoad } from './run-load.ts';

/** Standard output is for the result; with --json a program reads it. */
const say = (line: string): void => console.error(`taximeter: ${line}`);

function openProduct(flags: LoadFlags): Promise<Product> | Product {
  const { urls, apiKey, gateways, intervalMs, isCluster, isKept } = flags;
  const { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl } = process.env;
  if (urls.length > 0) return givenProduct({ urls, apiKey, redisUrl, databaseUrl });
  return startOwnProduct({
    ...{ gateways, intervalMs, isCluster, apiKey, isKept, say },
    env: process.env,
  });
}

/** Page and figures; answers where they are. */
function writeReport(folder: string, report: LoadReport): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `loadtest-${report.run}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${path}.html`, page(report));
  return `${path}.html`;
}

/** What a program wants to know; all of it is in the file. */
function brief({ latenesses: _, measured, audit, ...rest }: LoadReport): object {
  const { samples: _samples, ...measures } = measured;
  const { sessions: _sessions, organizations: _organizations, ...audited } = audit;
  return { holds: audit.holds, ...rest, audit: audited, measured: measures };
}

async function run(flags: LoadFlags): Promise<number> {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // The watchdog ends what a second signal leaves behind.
      if (abort.signal.aborted) process.exit(1);
      say(`stopping (${name}) ...`);
      abort.abort(new Error('The load test was given up.'));
    });
  }
  const product = await openProduct(flags);
  try {
    abort.signal.throwIfAborted();
    const report = await runLoad({
      ...{ flags, product, say, screen: process.stderr },
      signal: abort.signal,
    });
    const path = writeReport(resolve(flags.reportFolder), report);
    console.log(flags.isJson ? JSON.stringify(brief(report), null, 1) : summary(report));
    say(`the report: ${path}`);
    return isGood(report) ? 0 : 1;
  } finally {
    say('stopping what was started ...');
    await product.stop();
  }
}

process.exit(await runCommand({ env: process.env, help: HELP, parse: parseFlags, run }));
