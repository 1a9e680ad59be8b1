/**
 * Names of budgets. A budget is a live counter with a limit: an organization's or a member's for
 * one period, or one session's for its whole life. `|` cannot occur in an id, so names cannot clash.
 */
export type BudgetName = string;

export function organizationBudget(org: string, period: number): BudgetName {
  return `o|${org}|${period}`;
}
export function memberBudget(org: string, user: string, period: number): BudgetName {
  return `m|${org}|${user}|${period}`;
}
export function sessionBudget(org: string, session: string): BudgetName {
  return `s|${org}|${session}`;
}

export type ParsedBudgetName =
  | { scope: 'organization'; org: string; period: number }
  | { scope: 'member'; org: string; user: string; period: number }
  | { scope: 'session'; org: string; session: string };

export function parseBudgetName(name: BudgetName): ParsedBudgetName {
  const [scope, first = '', second = '', third = ''] = name.split('|');
  if (scope === 'o') return { scope: 'organization', org: first, period: Number(second) };
  if (scope === 'm') return { scope: 'member', org: first, user: second, period: Number(third) };
  if (scope === 's') return { scope: 'session', org: first, session: second };
  throw new Error(`Not a budget name: ${name}. It begins with o|, m| or s|.`);
}

const SCOPES = { o: 'organization', m: 'member', s: 'session' } as const;

/** Only whose it is, without taking the name apart. */
export function scopeOf(name: BudgetName): ParsedBudgetName['scope'] {
  return SCOPES[name[0] as keyof typeof SCOPES];
}
