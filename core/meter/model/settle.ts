/** The unsettled set: what waits in it, and what the ledger says it has (rules 12, 13). */
import { parseBudgetName } from '../budget-name.ts';
import type {
  SettledAccount,
  SettledBudget,
  SettledCommand,
  SettledReply,
  Unsettled,
} from '../commands.ts';
import { afterCharge } from './limit.ts';
import { forget, sessionOfField, sessionRow, unsettledFields } from './session.ts';
import type { ModelBudget, ModelShard } from './shard.ts';
import { organizationBudgets } from './shard.ts';
import { splitAlone, splitOrganization } from './split.ts';
import type { Turn } from './turn.ts';
import { finishTurn } from './turn.ts';

export function settled(turn: Turn, command: SettledCommand): SettledReply {
  if (command.generation !== turn.head.generation) return { status: 'staleGeneration' };
  const { shard } = turn;
  const orgs = new Set<string>();
  const alone = new Set<ModelBudget>();
  for (const sums of command.budgets) {
    const budget = shard.budgets.get(sums.name);
    if (budget === undefined || !applyBudget(budget, sums)) continue;
    if (budget.scope === 'organization') orgs.add(budget.org);
    else alone.add(budget);
  }
  for (const sums of command.accounts) if (applyAccount(shard, sums)) orgs.add(sums.org);

  for (const budget of alone) splitAlone(budget);
  for (const org of orgs) splitOrganization(shard, org);
  for (const budget of alone) afterCharge(turn, budget);
  for (const org of orgs) {
    for (const budget of organizationBudgets(shard, org)) afterCharge(turn, budget);
  }
  const removed = remove(turn, command.removed);
  finishTurn(turn);
  return { status: 'ok', now: turn.now, removed };
}

/** Rule 12: only with a higher sequence. The new split is the caller's. */
function applyBudget(budget: ModelBudget, sums: SettledBudget): boolean {
  if (sums.sequence <= budget.settled.sequence) return false;
  const { name: _, ...rest } = sums;
  budget.settled = rest;
  return true;
}

function applyAccount(shard: ModelShard, sums: SettledAccount): boolean {
  const account = shard.accounts.get(sums.org);
  if (account === undefined || sums.sequence <= account.settled.sequence) return false;
  account.settled = { sequence: sums.sequence, drawnMs: sums.drawnMs };
  return true;
}

/** Rule 13: only what is exactly what was committed. An ended session with nothing left retires. */
function remove(turn: Turn, fields: { field: string; value: string }[]): number {
  const { shard } = turn;
  const touched = new Set<string>();
  let removed = 0;
  for (const { field, value } of fields) {
    if (shard.unsettled.get(field) !== value) continue;
    shard.unsettled.delete(field);
    removed += 1;
    const session = sessionOfField(field);
    if (session !== undefined) touched.add(session);
  }
  for (const key of touched) {
    const session = shard.sessions.get(key);
    if (session?.state !== 'ended' || unsettledFields(shard, key) > 0) continue;
    forget(shard, session);
    turn.events.push({ kind: 'retired', org: session.org, session: session.session });
  }
  return removed;
}

/** Fields with their present values and what the ledger must know of each. */
export function describeFields(shard: ModelShard, fields: Iterable<string>): Unsettled[] {
  return [...fields].flatMap((field) => {
    const value = shard.unsettled.get(field);
    return value === undefined ? [] : describe(shard, field, value);
  });
}

function describe(shard: ModelShard, field: string, value: string): Unsettled[] {
  const [generation = 0, number = 0] = value.split(':').map(Number);
  const [kind, ...rest] = field.split('|');
  const base = { field, value, generation };
  if (kind === 'a') {
    const [version = '', level = ''] = rest.reverse();
    const name = rest.slice(2).reverse().join('|');
    const { org } = parseBudgetName(name);
    const alert = { budget: name, org, level: Number(level), version: Number(version) };
    return [{ ...base, kind: 'alert', ...alert, at: number }];
  }
  const session = shard.sessions.get(`${rest[0]}|${rest[1]}`);
  if (session === undefined) return [];
  if (kind === 's') return [{ ...base, kind: 'session', row: sessionRow(shard, session) }];
  const { org, user, startedAt } = session;
  const minute = { minute: Number(rest[2]), period: Number(rest[3]), ms: number };
  const ids = { session: session.session, org, user, startedAt };
  return [{ ...base, kind: 'minute', ...ids, ...minute }];
}
