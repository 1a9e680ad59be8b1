import type { Accounts } from './accounts.ts';
import { lotId } from './lot-row.ts';
import { createReading, derivedId, ID, isRefusal, type ReadOptions, readable } from './reading.ts';
import type { Skips } from './skips.ts';
import type { SourceTable } from './source.ts';
import type { Stage, StagedRow, StageOutcome } from './stage.ts';
import {
  MINUTE_MS,
  minutesOf,
  readSession,
  readUsage,
  sessionOfDay,
  type UsageRow,
} from './usage-row.ts';

const MOST_REMEMBERED = 100_000;

export interface UsageCounts {
  /** rows of the source that are new here, or came with more than before */
  taken: number;
  raised: number;
  /** what was cut off minutes of more than 60 s */
  cutMs: number;
  /** local times that clocks showed twice */
  ambiguous: number;
}

interface Given {
  stage: Stage;
  accounts: Accounts;
  skips: Skips;
  counts: UsageCounts;
  read: (rows: number) => void;
}

/** Of the pieces of one row: that any is new counts more than that others are known. */
const WEIGHT: Readonly<Record<StageOutcome, number>> = {
  new: 3,
  raised: 2,
  duplicate: 1,
  known: 0,
};

/** Brings rows of usage to where they wait to be settled. */
export async function stageUsage(
  table: SourceTable,
  options: ReadOptions,
  given: Given,
): Promise<void> {
  const { skips, read } = given;
  const reading = createReading('usage', table, options);
  const put = createPut(table, options, given);
  for await (const rows of readable(table, skips, read)) {
    const good: UsageRow[] = [];
    for (const row of rows) {
      const usage = readUsage(reading, row, options);
      if (isRefusal(usage)) skips.add(table, row, usage.kind, usage.says);
      else good.push(usage);
    }
    await put(good);
  }
}

/** Where a source has no minutes: they are made of its sessions, from the beginning of each on. */
export async function stageSessions(
  table: SourceTable,
  options: ReadOptions,
  given: Given,
): Promise<void> {
  const { skips, read } = given;
  const reading = createReading('sessions', table, options);
  const put = createPut(table, options, given);
  for await (const rows of readable(table, skips, read)) {
    const good: UsageRow[] = [];
    for (const row of rows) {
      const session = readSession(reading, row, options);
      if (isRefusal(session)) skips.add(table, row, session.kind, session.says);
      else if (!session.ms) skips.add(table, row, 'empty');
      else good.push({ ...session, ms: session.ms, overMs: 0, purchase: null });
    }
    await put(good);
  }
}

function createPut(table: SourceTable, { until }: ReadOptions, given: Given) {
  const { stage, accounts, skips, counts } = given;
  const owners = new Map<string, string | null>();

  async function learn(rows: readonly { org: string; session: string }[]): Promise<void> {
    if (owners.size > MOST_REMEMBERED) owners.clear();
    const asked = rows.filter((it) => !owners.has(`${it.org}|${it.session}`));
    if (asked.length === 0) return;
    const distinct = new Map(asked.map((it) => [`${it.org}|${it.session}`, it]));
    for (const [key, user] of await stage.owners([...distinct.values()])) owners.set(key, user);
  }

  /** A session is one member's: another's part of it is a session of its own. null: measured here. */
  function sessionFor(org: string, session: string, user: string): string | null {
    const key = `${org}|${session}`;
    const owner = owners.get(key);
    if (owner === undefined) owners.set(key, user);
    if (owner === null) return null;
    if (owner === undefined || owner === user) return session;
    const shared = `${session}:${user}`;
    return ID.test(shared) ? shared : derivedId('shared', org, session, user);
  }

  return async (rows: readonly UsageRow[]): Promise<void> => {
    const orgs = await accounts.organizationsOf(rows);
    const named = rows.flatMap((row, i) => {
      const org = orgs[i]!;
      if (typeof org !== 'string') {
        skips.add(table, row.source, org.kind, org.says);
        return [];
      }
      if (row.session === null && until !== null && row.at >= until) {
        skips.add(table, row.source, 'afterUntil', new Date(row.at).toISOString());
        return [];
      }
      return [{ row, org, session: row.session ?? sessionOfDay(org, row.user, row.at) }];
    });
    await learn(named);
    const pieces: { row: UsageRow; staged: StagedRow }[] = [];
    for (const { row, org, session: named_ } of named) {
      const session = sessionFor(org, named_, row.user);
      if (session === null) {
        skips.add(table, row.source, 'measuredHere', named_);
        continue;
      }
      const purchase = row.purchase === null ? null : lotId(org, row.purchase);
      const { user } = row;
      for (const it of row.ms > MINUTE_MS ? minutesOf(row) : [row]) {
        pieces.push({ row, staged: { org, session, user, at: it.at, ms: it.ms, purchase } });
      }
    }
    const outcomes = await stage.put(pieces.map(({ staged }) => staged));
    const best = new Map<UsageRow, StageOutcome>();
    for (const [i, { row }] of pieces.entries()) {
      const before = best.get(row);
      const outcome = outcomes[i]!;
      if (before === undefined || WEIGHT[outcome] > WEIGHT[before]) best.set(row, outcome);
    }
    for (const [row, outcome] of best) note(row, outcome);
  };

  function note(row: UsageRow, outcome: StageOutcome): void {
    if (outcome === 'known' || outcome === 'duplicate') {
      skips.add(table, row.source, outcome, new Date(row.at).toISOString());
      return;
    }
    if (outcome === 'new') counts.taken += 1;
    else counts.raised += 1;
    if (row.isAmbiguous) counts.ambiguous += 1;
    if (row.overMs === 0) return;
    counts.cutMs += row.overMs;
    skips.add(table, row.source, 'over60', `${MINUTE_MS + row.overMs} ms`);
  }
}
