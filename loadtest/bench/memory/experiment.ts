/** P5: what a live session takes of a gateway's memory, next to an idle connection of `ws`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { anyFreePort } from '../../../local/port.ts';
import type { Bench, Experiment } from '../bench.ts';
import type { Crowd } from '../crowd/crowd.ts';
import type { DialectName, SessionName } from '../crowd/dialect.ts';
import { median } from '../median.ts';
import { type Figure, notMeasured, type Outcome, ratioFigure } from '../outcome.ts';
import { openInspector } from '../stand/inspector.ts';
import { API_KEY, makeOrganizations, namesOf } from '../stand/load.ts';
import type { Server } from '../stand/server.ts';
import { openStand, type Stand } from '../stand/stand.ts';
import { uwsReason } from '../stand/uws.ts';

const QUICK_SESSIONS = 1_500;
const FULL_SESSIONS = 4_000;
/** In there before it is measured: compiled code, pools and a young heap are made once. */
const WARM_SESSIONS = 1_000;
const QUICK_ROUNDS = 1;
const FULL_ROUNDS = 3;
/** Every session has been ticked, and has answered, when its memory is measured. */
const INTERVAL_MS = 1_000;
const SETTLE_MS = 2 * INTERVAL_MS;
const SESSIONS_AN_ORGANIZATION = 20;
const RATIO_LIMIT = 1.3;
const UWS_LIMIT_KB = 1.5;
const KILOBYTE = 1_024;
/** Who has not joined by then does not. */
const LEAST_PATIENCE_MS = 5_000;
/** A peer that only holds connections needs no more of a tick than that it is one. */
const ANY_TICK = '{"type":"tick"}';

interface Kind {
  name: string;
  dialect: DialectName;
  start(stand: Stand, nodeArguments: string[]): Promise<Server>;
}

const gatewayOn = (name: string, transport: Record<string, string>): Kind => ({
  ...{ name, dialect: 'taximeter' },
  start: (stand, nodeArguments) =>
    stand.gateway(name, {
      env: { TICK_INTERVAL_MS: String(INTERVAL_MS), ...transport },
      nodeArguments,
    }),
});

const ECHO: Kind = {
  ...{ name: 'ws-echo', dialect: 'plain' },
  start: (stand, nodeArguments) => stand.peer('ws-echo', ANY_TICK, nodeArguments),
};
const GATEWAY = gatewayOn('gateway', {});
const GATEWAY_UWS = gatewayOn('gateway-uws', { TRANSPORT: 'uws' });

export const memory: Experiment = {
  name: 'memory',
  targets: ['P5'],
  seconds: { quick: 36, full: 160 },
  async run(bench) {
    const stand = await openStand(bench, 'memory');
    await stand.worker('rest');
    return compare(bench, stand);
  },
};

async function compare(bench: Bench, stand: Stand): Promise<Outcome> {
  const noUws = uwsReason();
  const kinds = [ECHO, GATEWAY, ...(noUws === null ? [GATEWAY_UWS] : [])];
  const found = new Map<string, number[]>(kinds.map(({ name }) => [name, []]));
  const crowd = await stand.crowd('crowd');
  const rounds = bench.isQuick ? QUICK_ROUNDS : FULL_ROUNDS;
  let longestMs = 0;
  for (let round = 1; round <= rounds; round += 1) {
    for (const kind of kinds) {
      bench.check();
      if (round > 1 && bench.msLeft() < longestMs) continue;
      const startMs = performance.now();
      bench.say(`memory, round ${round} of ${rounds}: ${kind.name}`);
      found.get(kind.name)!.push(await bytesASession(bench, stand, crowd, kind, round));
      longestMs = Math.max(longestMs, performance.now() - startMs);
    }
  }
  return outcomeOf(found, noUws);
}

/** Of a fresh process. */
async function bytesASession(
  bench: Bench,
  stand: Stand,
  crowd: Crowd,
  { name, dialect, start }: Kind,
  round: number,
): Promise<number> {
  const inspectPort = await anyFreePort();
  const server = await start(stand, [`--inspect=127.0.0.1:${inspectPort}`]);
  const inspector = await openInspector(inspectPort);
  const { port } = server;
  const apiKey = API_KEY;
  const sessions = bench.isQuick ? QUICK_SESSIONS : FULL_SESSIONS;
  const prefix = `memory-${round}-${name}`;
  const names = namesOf(prefix, WARM_SESSIONS + sessions, SESSIONS_AN_ORGANIZATION);
  if (dialect === 'taximeter') await makeOrganizations(port, prefix, names);
  async function join(target: string, some: SessionName[]) {
    const patienceMs = Math.max(LEAST_PATIENCE_MS, bench.msLeft() / 2);
    await crowd.open({ target, dialect, port, apiKey, overMs: 0, patienceMs, sessions: some });
    await sleep(SETTLE_MS);
    await inspector.collect();
    const { live } = await crowd.count(target);
    return { live, bytes: await inspector.residentBytes() };
  }
  try {
    const before = await join(`${prefix}-warm`, names.slice(0, WARM_SESSIONS));
    const after = await join(prefix, names.slice(WARM_SESSIONS));
    return (after.bytes - before.bytes) / after.live;
  } finally {
    await inspector.stop();
    for (const target of [`${prefix}-warm`, prefix]) await crowd.close(target).catch(() => {});
    await stand.end(server);
  }
}

function outcomeOf(found: ReadonlyMap<string, number[]>, noUws: string | null): Outcome {
  const kilobytes = (name: string) => (found.get(name) ?? []).map((bytes) => bytes / KILOBYTE);
  const [echo, gateway] = [kilobytes('ws-echo'), kilobytes('gateway')];
  const words = (values: number[]) => `${median(values).toFixed(2)} KB`;
  const note = `${words(gateway)} against ${words(echo)}`;
  const figures: Figure[] = [
    ratioFigure({ target: 'P5', name: 'on ws', limit: RATIO_LIMIT, note }, gateway, echo),
    uwsFigure(kilobytes('gateway-uws'), noUws),
  ];
  const rows = [...found.keys()].map((name) => ({ name, values: kilobytes(name) }));
  return {
    figures,
    plots: [{ kind: 'dots', title: 'Memory a connection', unit: 'KB', rows }],
    tables: [],
    words: WORDS,
  };
}

function uwsFigure(values: number[], noUws: string | null): Figure {
  const named = {
    target: 'P5',
    name: 'on uWebSockets.js, a session',
    limit: UWS_LIMIT_KB,
  } as const;
  if (values.length === 0) return notMeasured(named, 'KB', noUws ?? 'there was no time for it');
  const shared = { unit: 'KB', atLeast: false, note: '' } as const;
  return { ...named, ...shared, value: median(values), rounds: values };
}

const WORDS = `Resident memory of a fresh process, garbage collected, before and after so many sessions
joined and were ticked. What the system keeps for sockets itself is not in it.`;
