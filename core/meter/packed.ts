/**
 * What the script of the hot path takes and gives as bytes, by `struct`: big-endian doubles, then
 * strings that end with a zero byte. A number as text costs Redis 80 ns and this process 60; as bytes
 * both a tenth. The other scripts, asked once a session or less, speak text (decode.ts).
 */
import type { BeatItem, BeatReply, BeatStatus } from './commands.ts';
import { budgetMode, numbersIn, stopReason } from './decode.ts';
import type { BudgetRow, Level } from './rows.ts';

const STATUS: BeatStatus[] = ['ok', 'stopped', 'ended', 'superseded', 'unknown', 'recover'];
const STATES = { recording: 0, paused: 1, detached: 2 } as const;

const DOUBLE_BYTES = 8;
/** place, state; generation, counter, total, age */
const WORD_BYTES = 2 + 4 * DOUBLE_BYTES;
/** status, doubted; total, charged, overshoot, missing period or −1, period */
const ANSWER_BYTES = 2 + 5 * DOUBLE_BYTES;

/** The words of one call, `placeOf` their organizations among its keys, from 1. */
export function packWords(items: readonly BeatItem[], placeOf: (org: string) => number): Buffer {
  let bytes = 0;
  for (const { org, session } of items) bytes += WORD_BYTES + org.length + session.length + 2;
  const packed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { org, session, epoch, totalMs, ageMs, state } of items) {
    packed[at] = placeOf(org);
    packed[at + 1] = STATES[state];
    packed.writeDoubleBE(epoch.generation, at + 2);
    packed.writeDoubleBE(epoch.counter, at + 10);
    packed.writeDoubleBE(totalMs, at + 18);
    packed.writeDoubleBE(ageMs, at + 26);
    // Ids are ASCII (limits.ts of the protocol).
    at += WORD_BYTES + packed.write(`${org}|${session}\0`, at + WORD_BYTES, 'latin1');
  }
  return packed;
}

export function unpackAnswers(packed: Buffer): BeatReply[] {
  const answers: BeatReply[] = [];
  for (let at = 0; at < packed.length; at += ANSWER_BYTES) {
    const missing = packed.readDoubleBE(at + 26);
    answers.push({
      status: STATUS[packed[at]!]!,
      boundaryDoubted: packed[at + 1] === 1,
      totalMs: packed.readDoubleBE(at + 2),
      chargedMs: packed.readDoubleBE(at + 10),
      overshootMs: packed.readDoubleBE(at + 18),
      missingPeriod: missing === -1 ? null : missing,
      period: packed.readDoubleBE(at + 34),
    });
  }
  return answers;
}

/** Places of a budget's numbers in its record, as scripts/include/records.lua has them, from 0. */
const FIELD = {
  ...{ quota: 0, mode: 2, starts: 4, ends: 5, used: 6, plan: 7, extra: 8, overage: 9 },
  ...{ n: 15, s: 16, stops: 19, stoppedAt: 20, seq: 21 },
};
const BUDGET_NUMBERS = 25;

/** Lists that many budgets have in common: levels, and which of them are crossed. */
const lists = new Map<string, readonly Level[]>();
const MAX_LISTS = 10_000;

function listIn(text: string): Level[] {
  let list = lists.get(text);
  if (!list) {
    if (lists.size === MAX_LISTS) lists.clear();
    list = Object.freeze(numbersIn(text || '-'));
    lists.set(text, list);
  }
  return list as Level[];
}

/** `record`: the budget as it is kept. `figures`: what follows from it: version, room or −1, extra left. */
export function unpackBudget(name: string, record: Buffer, figures: Buffer): BudgetRow {
  const of = (field: number) => record.readDoubleBE(field * DOUBLE_BYTES);
  const [, reason, levels, crossed] = record
    .toString('latin1', BUDGET_NUMBERS * DOUBLE_BYTES)
    .split('\0');
  const quotaMs = of(FIELD.quota);
  const endsAt = of(FIELD.ends);
  const remainingMs = figures.readDoubleBE(8);
  return {
    name,
    seq: of(FIELD.seq),
    quotaMs: quotaMs === -1 ? null : quotaMs,
    version: figures.readDoubleBE(0),
    mode: budgetMode(of(FIELD.mode)),
    startsAt: of(FIELD.starts),
    endsAt: endsAt === 0 ? null : endsAt,
    usedMs: of(FIELD.used),
    planMs: of(FIELD.plan),
    extraMs: of(FIELD.extra),
    overageMs: of(FIELD.overage),
    remainingMs: remainingMs === -1 ? null : remainingMs,
    extraRemainingMs: figures.readDoubleBE(16),
    burnRate: of(FIELD.n),
    frontierSumMs: of(FIELD.s),
    stops: of(FIELD.stops),
    stoppedAt: of(FIELD.stoppedAt),
    stopReason: stopReason(reason),
    levels: listIn(levels!),
    crossed: listIn(crossed!),
  };
}
