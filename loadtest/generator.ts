/**
 * A process of simulated recorders, told by its parent what to do: so that the load takes other cores
 * than the parent that measures, and more than one where one is not enough. `generators.ts` starts it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connectBackend } from './backend-api.ts';
import { startFleet } from './fleet.ts';
import { type GeneratorTask, type GeneratorWord, GIVE_UP } from './generator-words.ts';

const LOOP_RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

async function work(task: GeneratorTask): Promise<void> {
  const { scripts, urls, apiKey, runStartMs, isTraced } = task;
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  const backends = urls.map((url) => connectBackend(url, apiKey));
  const fleet = startFleet(scripts, {
    ...{ urls, runStartMs, isTraced },
    ticket: ({ org, user, session, gateway }) =>
      backends[gateway % backends.length]!.ticket(org, user, session),
    ended: ({ org, session }) => say({ kind: 'ended', org, session }),
  });
  const timer = setInterval(() => say({ kind: 'count', count: fleet.count() }), task.countEveryMs);
  process.once('disconnect', () => void fleet.stop().finally(() => process.exit(1)));
  process.on('message', (word) => {
    if (word === GIVE_UP) void fleet.stop();
  });
  await fleet.over;
  clearInterval(timer);
  delay.disable();
  // The timer that measures is itself due only every so often.
  const measured = (ns: number) => Math.max(0, ns / NS_PER_MS - LOOP_RESOLUTION_MS);
  const loopDelay = {
    p50Ms: measured(delay.percentile(50)),
    p99Ms: measured(delay.percentile(99)),
    maximumMs: measured(delay.max),
  };
  say({ kind: 'count', count: fleet.count() });
  say({ kind: 'done', logs: fleet.logs(), loopDelay }, () => process.exit(0));
}

function say(word: GeneratorWord, then?: () => void): void {
  if (process.connected) process.send?.(word, undefined, undefined, then);
}

process.once('message', (task: GeneratorTask) => {
  work(task).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
// Ctrl-C reaches the whole group; the parent decides, and its going ends us.
process.on('SIGINT', () => {});
