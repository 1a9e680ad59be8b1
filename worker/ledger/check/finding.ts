import type { Severity } from './code-entry.ts';
import { CODES, type Code } from './codes.ts';

/** One thing that is wrong, in words for a person and in figures for a program. */
export interface Finding {
  code: Code;
  severity: Severity;
  org?: string;
  /** what of it: a session, a lot, a budget, a shard, a queue */
  subject?: string;
  /** what is wrong, with the figures */
  says: string;
  /** what it means to the customer */
  means: string;
  todo: string;
  /** whether `npm run doctor -- --fix` repairs it */
  isFixable: boolean;
  /** durations in ms, instants in epoch ms */
  figures: Record<string, number | string | null>;
}

export interface FindingDetail {
  org?: string;
  subject?: string;
  says: string;
  figures?: Record<string, number | string | null>;
}

export function finding(code: Code, detail: FindingDetail): Finding {
  const { severity, means, todo, isFixable } = CODES[code];
  return {
    code,
    severity,
    ...(detail.org === undefined ? {} : { org: detail.org }),
    ...(detail.subject === undefined ? {} : { subject: detail.subject }),
    says: detail.says,
    means,
    todo,
    isFixable,
    figures: detail.figures ?? {},
  };
}

/** The same thing seen again has the same key: two looks agree by it, and a change is told by it. */
export function findingKey({ code, org = '', subject = '', figures }: Finding): string {
  return `${code}|${org}|${subject}|${figures.driftMs ?? ''}`;
}

/** What both looks saw, as the second one saw it. */
export function agreed(first: readonly Finding[], second: readonly Finding[]): Finding[] {
  const seen = new Set(first.map(findingKey));
  return second.filter((it) => seen.has(findingKey(it)));
}
