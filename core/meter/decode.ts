/** Reads what the scripts tell: rows, fields of the unsettled set, events. The other half is rows.lua. */
import { parseBudgetName } from './budget-name.ts';
import type { Unsettled } from './commands.ts';
import type {
  BudgetRow,
  LimitMode,
  MeterEvent,
  PeriodMark,
  SessionRow,
  SessionState,
  StopReason,
} from './rows.ts';

const STATES: SessionState[] = ['recording', 'paused', 'detached', 'stalled', 'ended'];

const optional = (text: string | undefined): number | null => (text === '-1' ? null : Number(text));
const text = (word: string | undefined): string => (word === '-' || !word ? '' : word);
export const numbersIn = (word: string | undefined): number[] =>
  word === '-' || !word ? [] : word.split(',').map(Number);
export const stopReason = (word: string | undefined) => text(word) as StopReason;
export const budgetMode = (mode: number) => mode as LimitMode;

export function decodeBudgetRow(row: string): BudgetRow {
  const f = row.split(' ');
  const endsAt = Number(f[6]);
  return {
    name: f[0]!,
    seq: Number(f[1]),
    quotaMs: optional(f[2]),
    version: Number(f[3]),
    mode: budgetMode(Number(f[4])),
    startsAt: Number(f[5]),
    endsAt: endsAt === 0 ? null : endsAt,
    usedMs: Number(f[7]),
    planMs: Number(f[8]),
    extraMs: Number(f[9]),
    overageMs: Number(f[10]),
    remainingMs: optional(f[11]),
    extraRemainingMs: Number(f[12]),
    burnRate: Number(f[13]),
    frontierSumMs: Number(f[14]),
    stops: Number(f[15]),
    stoppedAt: Number(f[16]),
    stopReason: stopReason(f[17]),
    levels: numbersIn(f[18]),
    crossed: numbersIn(f[19]),
  };
}

function decodeMarks(word: string): PeriodMark[] {
  return word.split(',').map((mark) => {
    const [period, chargedMs] = mark.split(':');
    return { period: Number(period), chargedMs: Number(chargedMs) };
  });
}

export function decodeSessionRow(row: string): SessionRow {
  const f = row.split(' ');
  return {
    session: f[0]!.slice(f[1]!.length + 1),
    org: f[1]!,
    user: f[2]!,
    epoch: { generation: Number(f[3]), counter: Number(f[4]) },
    state: STATES[Number(f[5])]!,
    totalMs: Number(f[6]),
    chargedMs: Number(f[7]),
    overshootMs: Number(f[8]),
    chargedUpTo: Number(f[9]),
    lastAnswerAt: Number(f[10]),
    startedAt: Number(f[11]),
    endedAt: Number(f[12]),
    reason: text(f[13]),
    stoppedBy: text(f[14]),
    period: Number(f[15]),
    marks: decodeMarks(f[16]!),
    bySource: { planMs: Number(f[17]), extraMs: Number(f[18]), overageMs: Number(f[19]) },
    unsettled: Number(f[20]),
  };
}

/**
 * `flat`: field, value, row of its session, three to a field. A session's row comes with its first
 * field; '=' says that it came before, '' that there is none.
 */
export function decodeUnsettled(flat: string[]): Unsettled[] {
  const items: Unsettled[] = [];
  const sessions = new Map<string, SessionRow>();
  for (let i = 0; i + 2 < flat.length; i += 3) {
    const item = decodeField(flat[i]!, flat[i + 1]!, flat[i + 2]!, sessions);
    if (item) items.push(item);
  }
  return items;
}

/** null for a field whose session is gone: the ledger has it already, or recovery will bring it. */
function decodeField(
  field: string,
  value: string,
  row: string,
  sessions: Map<string, SessionRow>,
): Unsettled | null {
  const colon = value.indexOf(':');
  const generation = Number(value.slice(0, colon));
  const amount = Number(value.slice(colon + 1));
  const parts = field.split('|');
  if (parts[0] === 'a') {
    const budget = parts.slice(1, -2).join('|');
    const { org } = parseBudgetName(budget);
    const [level, version] = parts.slice(-2).map(Number);
    const alert = { budget, org, level: level!, version: version!, at: amount };
    return { field, value, generation, kind: 'alert', ...alert };
  }
  const key = `${parts[1]}|${parts[2]}`;
  if (row !== '' && row !== '=') sessions.set(key, decodeSessionRow(row));
  const session = row === '' ? undefined : sessions.get(key);
  if (session === undefined) return null;
  if (parts[0] === 's') return { field, value, generation, kind: 'session', row: session };
  return {
    field,
    value,
    generation,
    kind: 'minute',
    session: session.session,
    org: session.org,
    user: session.user,
    startedAt: session.startedAt,
    minute: Number(parts[3]),
    period: Number(parts[4]),
    ms: amount,
  };
}

function splitKey(key: string): { org: string; session: string } {
  const [org = '', session = ''] = key.split('|');
  return { org, session };
}

/** null for a message of a kind that is not known here: a newer gateway's, during a deploy. */
export function decodeEvent(shard: number, message: string): MeterEvent | null {
  const space = message.indexOf(' ');
  const kind = message.slice(0, space);
  const rest = message.slice(space + 1);
  switch (kind) {
    case 'budget':
      return { kind, row: decodeBudgetRow(rest) };
    case 'stop':
    case 'retired':
      return { kind, ...splitKey(rest) };
    case 'superseded': {
      const [key = '', generation, counter] = rest.split(' ');
      const epoch = { generation: Number(generation), counter: Number(counter) };
      return { kind, ...splitKey(key), epoch };
    }
    case 'recovered':
      return { kind, shard, generation: Number(rest) };
    default:
      return null;
  }
}
