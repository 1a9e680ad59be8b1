/** `npm run fuzz`: starts a product, spoils conversations with its gateway, says what held. */

import { runCommand } from '../../core/runtime/command.ts';
import { startOwnProduct } from '../product/own.ts';
import { type FuzzFlags, HELP, parseFlags } from './flags.ts';
import { fuzz } from './fuzz/fuzz.ts';
import { faultsOf, summaryOf } from './fuzz/report.ts';
import { runHttp } from './http/run-http.ts';

const INTERVAL_MS = 1_000;
/** Sessions whose recorder is gone end soon, so that what is left at the end is a leak. */
const ENV = { RESUME_WINDOW_MS: '6000', BEAT_TIMEOUT_MS: '5000', SESSION_SWEEP_MS: '1000' };
const INSPECT_PORT = 19_229;
const SAY_EVERY_MS = 5_000;

/** Standard output is for the result; with --json a program reads it. */
const say = (line: string): void => console.error(`taximeter: ${line}`);

async function run(flags: FuzzFlags): Promise<number> {
  const { seed, frames, transport, conversation } = flags;
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (abort.signal.aborted) process.exit(1);
      say(`stopping (${name}) ...`);
      abort.abort();
    });
  }
  if (flags.isHttp) return runHttp(flags, { signal: abort.signal, say, env: process.env });
  const product = await startOwnProduct({
    ...{ gateways: 1, intervalMs: INTERVAL_MS, isCluster: false, isKept: false, apiKey: 'dev-key' },
    env: { ...process.env, ...ENV, TRANSPORT: transport, LOG_LEVEL: 'warn' },
    gatewayArguments: [`--inspect=127.0.0.1:${INSPECT_PORT}`],
    say,
  });
  try {
    let saidAt = performance.now();
    const report = await fuzz({
      ...{ seed, transport, apiKey: product.apiKey, incidents: product.incidents },
      port: Number(new URL(product.urls[0]!).port),
      operationsUrl: product.operationsUrls![0]!,
      inspectPort: INSPECT_PORT,
      frames: conversation === null ? frames : 1,
      from: conversation ?? 0,
      signal: abort.signal,
      progress(done) {
        if (performance.now() - saidAt < SAY_EVERY_MS) return;
        saidAt = performance.now();
        say(`${done} of ${frames} frames`);
      },
    });
    const faults = faultsOf(report);
    if (abort.signal.aborted) faults.push('it was stopped before its end');
    const holds = faults.length === 0;
    console.log(
      flags.isJson ? JSON.stringify({ holds, faults, ...report }, null, 1) : summaryOf(report),
    );
    return holds ? 0 : 1;
  } finally {
    say('stopping what was started ...');
    await product.stop();
  }
}

process.exit(await runCommand({ env: process.env, help: HELP, parse: parseFlags, run }));
