/** The stand-in for Stripe as a process of its own. It is in no build, so it runs from its source. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describeExit, startChild } from '../../local/child.ts';
import { localFolder } from '../../local/places.ts';
import { anyFreePort } from '../../local/port.ts';

const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 5_000;
const POLL_MS = 50;
const MAIN = 'payments/testing/main.ts';

export interface Stripe {
  url: string;
  secretKey: string;
  publishableKey: string;
  stop(): Promise<void>;
}

/** @param seed of its ids. @throws Error with its last words where it does not start */
export async function startStripe(options: {
  seed: number;
  say(line: string): void;
}): Promise<Stripe> {
  const { seed, say } = options;
  say('starting a stand-in for Stripe ...');
  // Of the project, from its source and from dist/ alike.
  const built = import.meta.url.endsWith('.js');
  const root = fileURLToPath(new URL(built ? '../../..' : '../..', import.meta.url));
  const port = await anyFreePort();
  const args = ['--import', 'tsx', MAIN, '--port', String(port), '--seed', String(seed)];
  const child = await startChild({
    ...{ name: 'the stand-in for Stripe', command: process.execPath, cwd: root },
    args: [...args, '--webhook', ''],
    logPath: join(localFolder(), `stripe-${process.pid}.log`),
    ...{ stopSignal: 'SIGTERM', patienceMs: STOP_PATIENCE_MS },
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + START_PATIENCE_MS;
  while (child.exit() === null && performance.now() < deadline) {
    const answer = await fetch(url).catch(() => null);
    await answer?.arrayBuffer();
    const keys = { secretKey: 'sk_test_fake', publishableKey: 'pk_test_fake' };
    if (answer !== null) return { url, ...keys, stop: child.stop };
    await sleep(POLL_MS);
  }
  const exit = child.exit();
  const words = child.logTail();
  await child.stop();
  const what = exit === null ? `is not ready after ${START_PATIENCE_MS} ms` : describeExit(exit);
  throw new Error(`The stand-in for Stripe ${what}. Its last words:\n${words}`);
}
