// The watchdog process. It holds the reading end of a pipe from its parent and knows what the
// parent started. When the pipe closes (the parent ended, however it ended), it ends what is left:
// last started first, so gateways, then the worker, then the stores. A process whose start instant
// is not the one it was told is somebody else's and is left alone.
import { createInterface } from 'node:readline';
import { processIdentity } from './process-identity.mjs';

const POLL_MS = 50;
/** @type {Map<number, { identity: string, signal: NodeJS.Signals, patienceMs: number }>} */
const watched = new Map();

// The parent's terminal must not end the one that cleans up after it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

async function end(pid, { identity, signal, patienceMs }) {
  const alive = () => processIdentity(pid) === identity;
  const send = (target, name) => {
    try {
      process.kill(target, name);
    } catch {
      // It ended between the look and the signal.
    }
  };
  if (!alive()) return;
  // A stopped process would never hear the first signal.
  send(pid, 'SIGCONT');
  send(pid, signal);
  const deadline = performance.now() + patienceMs;
  while (alive() && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  if (alive()) send(-pid, 'SIGKILL');
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { watch, unwatch } = JSON.parse(line);
  if (watch) watched.set(watch.pid, watch);
  if (unwatch) watched.delete(unwatch);
});
lines.on('close', async () => {
  for (const [pid, entry] of [...watched].reverse()) await end(pid, entry);
  process.exit(0);
});
