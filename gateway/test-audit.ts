/**
 * What must be true after a storm, of every session and every word that was said of it. Answers
 * sentences that say what is wrong; none when all is well.
 */
import type { ServerMessage } from '../core/protocol/messages.ts';
import type { Life } from './test-device.ts';
import type { TestGateway } from './test-gateway.ts';
import type { TestMeter } from './test-meter.ts';

/** Each break costs at most so much real time: latency both ways, and a step of the simulation. */
const BREAK_MS = 250;
const ONCE_MS = 1_000;
/** What a session that returns across a boundary may lose where the next period is not there yet: the
 * gap that the meter counted waits for a word that nobody has (docs/simulation.md). */
const BOUNDARY_GAP_MS = 20_000;

export interface Storm {
  stores: TestMeter;
  gateways: readonly TestGateway[];
  /** those that were killed, too */
  everyGateway: readonly TestGateway[];
  lives: readonly Life[];
  speed: number;
  crossesBoundary: boolean;
  /** per organization: what may be charged at most; absent: not known, as across a boundary */
  limitMs: ReadonlyMap<string, number>;
  /** organizations whose limits were changed */
  changed: ReadonlySet<string>;
}

export async function audit(storm: Storm): Promise<string[]> {
  const problems: string[] = [];
  const chargedMs = new Map<string, number>();
  for (const life of storm.lives) {
    const wrong = (what: string) => problems.push(`${life.org} ${life.session}: ${what}`);
    for (const { messages } of life.connections) {
      auditConversation(messages, life, storm, wrong);
    }
    if (!life.hasBegun) continue;
    const known = await storm.stores.ledger.base(life.org, life.session);
    if (!known) {
      wrong('the ledger does not know it');
      continue;
    }
    const { base } = known;
    chargedMs.set(life.org, (chargedMs.get(life.org) ?? 0) + base.chargedMs);
    if (!base.ended) wrong('it has not ended');
    auditTotal(base.chargedMs + base.overshootMs, life, storm, wrong);
  }
  for (const [org, ms] of chargedMs) {
    const limit = storm.limitMs.get(org);
    if (limit === undefined) continue;
    if (ms > limit) problems.push(`${org}: ${ms} ms charged of ${limit}`);
    const usedMs = await storm.stores.usedMs(org);
    // 0: emptied since, and nobody has asked for the budget.
    if (usedMs > 0 && usedMs !== ms) problems.push(`${org}: ledger ${ms}, meter ${usedMs}`);
  }
  for (const gateway of storm.everyGateway) {
    for (const { msg } of gateway.logged) if (/broke|bound/.test(msg)) problems.push(msg);
  }
  for (const { metering } of storm.gateways) {
    for (const { id, phase } of metering.hub.remembered()) {
      problems.push(`${id} is remembered: ${phase.kind}`);
    }
    for (const name of metering.budgets.names()) problems.push(`${name} is still drawn on`);
  }
  return problems;
}

function auditTotal(
  totalMs: number,
  life: Life,
  { speed, crossesBoundary }: Storm,
  wrong: (what: string) => void,
): void {
  const told = life.connections.flatMap(({ messages }) => messages);
  const acknowledged = told.flatMap((it) =>
    'reading' in it && it.reading && it.type !== 'refused' ? [it.reading.sessionMs] : [],
  );
  const ackMs = Math.max(0, ...acknowledged);
  if (totalMs < ackMs) wrong(`${ackMs} ms acknowledged, ${totalMs} in the ledger`);
  for (const it of told) {
    if (it.type !== 'ended' || it.summary.recordedMs === totalMs) continue;
    wrong(`told of ${it.summary.recordedMs} ms at its end, ${totalMs} in the ledger`);
  }
  const slackMs = (ONCE_MS + (life.breaks + life.connections.length) * BREAK_MS) * speed;
  if (totalMs > life.recordedMs + slackMs) wrong(`${totalMs} of ${life.recordedMs} ms: too much`);
  // Who is stopped while it is cut off records on in vain.
  const isOwnStop = told.some((it) => it.type === 'ended' && it.reason === 'stopped');
  const boundaryMs = crossesBoundary && life.connections.length > 1 ? BOUNDARY_GAP_MS : 0;
  if (isOwnStop && totalMs < life.recordedMs - slackMs - boundaryMs) {
    wrong(`${totalMs} of ${life.recordedMs} ms: too little`);
  }
}

/** The protocol, as one connection heard it. */
function auditConversation(
  messages: readonly ServerMessage[],
  { org }: Life,
  { changed }: Storm,
  wrong: (what: string) => void,
): void {
  let seq = 0;
  let sessionMs = 0;
  let isOver = false;
  let isStopping = false;
  const warned = new Set<string>();
  messages.forEach((it, i) => {
    if (i === 0 && it.type !== 'started' && it.type !== 'refused') wrong(`${it.type} comes first`);
    if (isOver) wrong(`${it.type} after the end`);
    if ('reading' in it && it.reading && it.type !== 'refused') {
      const { reading } = it;
      if (reading.sessionMs < sessionMs) wrong(`${sessionMs} ms, then ${reading.sessionMs}`);
      sessionMs = reading.sessionMs;
      if (reading.limitMs === null && reading.binding === 'organization') wrong('no limit is told');
      const offMs = Math.abs(reading.at - Date.now());
      if (offMs > 24 * 60 * 60_000) wrong(`a reading of ${new Date(reading.at).toISOString()}`);
    }
    switch (it.type) {
      case 'started':
        if (i > 0) wrong('started twice');
        for (const { id } of it.warnings) warned.add(id);
        return;
      case 'tick':
        if (it.seq !== seq + 1) wrong(`tick ${it.seq} after ${seq}`);
        seq = it.seq;
        return;
      case 'warning':
        if (warned.has(it.id)) wrong(`warned twice: ${it.id}`);
        if (isStopping) wrong(`warned after the stop: ${it.id}`);
        warned.add(it.id);
        return;
      case 'recovered':
        if (!warned.delete(it.id)) wrong(`withdrawn, but never told: ${it.id}`);
        if (!changed.has(org)) wrong(`withdrawn without new limits: ${it.id}`);
        return;
      case 'stop':
        if (isStopping) wrong('stopped twice');
        if (messages[i - 1]?.type === 'started') wrong('stop without its tick');
        isStopping = true;
        return;
      case 'ended':
      case 'refused':
        isOver = true;
    }
  });
}
