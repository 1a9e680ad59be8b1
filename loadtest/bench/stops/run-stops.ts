/** One run of budgets that run out, on real recorders and two gateways, with the audit of it. */
import { type AuditResult, audit } from '../../audit.ts';
import { connectBackend } from '../../backend-api.ts';
import type { MeterSession } from '../../books.ts';
import { startGenerators } from '../../generators.ts';
import { type Lateness, latenessOf, STOP } from '../../lateness.ts';
import { openReader } from '../../read-books.ts';
import type { RecorderLog } from '../../recorder-log.ts';
import type { Bench } from '../bench.ts';
import { API_KEY } from '../stand/load.ts';
import type { Stand } from '../stand/stand.ts';
import { makeOrganizations } from './organizations.ts';

export interface StopsRun {
  intervalMs: number;
  /** of stops, by sessions on the budget */
  lateMs: Map<number, number[]>;
  /** what had come waited so long for the process of the recorders, p99: part of every lateness */
  loopDelayMs: number;
  audit: AuditResult;
}

const GATEWAYS = 2;
const COUNT_EVERY_MS = 1_000;
const END_PATIENCE_MS = 30_000;

export async function runStops(
  bench: Bench,
  stand: Stand,
  run: { name: string; intervalMs: number; scale: number },
): Promise<StopsRun> {
  const { name, intervalMs, scale } = run;
  const { redisUrl, databaseUrl } = stand.stores;
  const gateways = await Promise.all(
    Array.from({ length: GATEWAYS }, (_, i) =>
      stand.gateway(`${name}-gateway-${i + 1}`, { env: { TICK_INTERVAL_MS: String(intervalMs) } }),
    ),
  );
  const urls = gateways.map(({ port }) => `ws://127.0.0.1:${port}`);
  const script = makeOrganizations(name, GATEWAYS, scale);
  await connectBackend(urls[0]!, API_KEY).prepare(name, script.organizations);
  const reader = await openReader(redisUrl, databaseUrl);
  const meterSessions: MeterSession[] = [];
  const readings: Promise<void>[] = [];
  const generators = startGenerators({
    ...{ count: 1, urls, apiKey: API_KEY, countEveryMs: COUNT_EVERY_MS },
    scripts: script.organizations.flatMap(({ recorders }) => recorders),
    ended(session) {
      const reading = reader.meterSession(session).then((it) => {
        if (it) meterSessions.push(it);
      });
      readings.push(reading);
    },
  });
  const patience = setTimeout(generators.giveUp, script.endsAtMs + END_PATIENCE_MS);
  try {
    for (const pid of generators.pids) await bench.pinning.pin(pid, 'rest');
    const { logs, loopDelays } = await generators.done;
    await Promise.all(readings);
    const letIn = logs.filter((log) => log.acknowledgedMs !== null).length;
    const orgs = script.organizations.map(({ org }) => org);
    await reader.settled(orgs, letIn);
    const books = await reader.books(orgs, meterSessions);
    const budgets = script.organizations.map(({ org, quotaMs }) => ({
      ...{ org, quotaMs, logs: logs.filter((log: RecorderLog) => log.org === org) },
    }));
    return {
      intervalMs,
      lateMs: bySize(budgets.flatMap(latenessOf), script.sizes),
      loopDelayMs: Math.max(...loopDelays.map(({ p99Ms }) => p99Ms)),
      audit: audit(budgets, books),
    };
  } finally {
    clearTimeout(patience);
    await generators.stop();
    await reader.stop();
    for (const gateway of gateways) await stand.end(gateway);
  }
}

function bySize(all: readonly Lateness[], sizes: ReadonlyMap<string, number>) {
  const found = new Map<number, number[]>();
  for (const { org, what, lateMs, isDisturbed } of all) {
    if (what !== STOP || isDisturbed) continue;
    const size = sizes.get(org) ?? 0;
    found.set(size, [...(found.get(size) ?? []), lateMs]);
  }
  return found;
}
