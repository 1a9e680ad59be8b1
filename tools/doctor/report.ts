import { styleText } from 'node:util';
import { countText } from '../../worker/ledger/check/count-text.ts';
import type { Finding } from '../../worker/ledger/check/finding.ts';
import { groupBy } from '../../worker/ledger/grouping.ts';
import { type Examination, isWell } from './examination.ts';
import { type Portrait, portraitLines } from './portrait.ts';

/** Of one code; --json has all. */
const MOST_SHOWN = 10;

/** Where a terminal shows it; a file or a pipe gets the words alone. */
type Paint = (style: 'red' | 'green' | 'yellow' | 'dim' | 'bold', text: string) => string;

const COLOURS = { wrong: 'red', warning: 'yellow', note: 'dim' } as const;
const OUTCOMES = {
  well: ['green', 'ok'],
  found: ['red', 'found'],
  unknown: ['red', 'unknown'],
} as const;

function findingLines(code: string, findings: readonly Finding[], paint: Paint): string[] {
  const { severity, means } = findings[0]!;
  const rest = findings.length - MOST_SHOWN;
  const todos = [...new Set(findings.map((it) => it.todo))];
  return [
    `${paint(COLOURS[severity], severity)} ${paint('bold', code)} (${findings.length})`,
    ...findings.slice(0, MOST_SHOWN).map((it) => `  ${it.says}`),
    ...(rest > 0 ? [`  ... and ${rest} more: --json lists all.`] : []),
    `  It means: ${means}`,
    ...todos.map((todo) => `  To do:    ${todo}`),
    ...(findings.some((it) => it.isFixable) ? ['  --fix repairs it.'] : []),
    '',
  ];
}

export function verdict(examination: Examination): string {
  const { looks, findings } = examination;
  const unknown = looks.filter((it) => it.outcome === 'unknown').length;
  if (isWell(examination)) return `All is well: ${looks.length} things were looked at.`;
  const parts = [
    ...(findings.length > 0 ? [countText(findings.length, 'finding')] : []),
    ...(unknown > 0 ? [`${unknown} of ${looks.length} looks failed, and may hide anything`] : []),
  ];
  return `Not well: ${parts.join('; ')}.`;
}

/** For a person. `isColoured`: at a terminal. */
export function report(
  examination: Examination,
  figures: readonly Portrait[],
  isColoured: boolean,
): string {
  const paint: Paint = (style, text) => (isColoured ? styleText(style, text) : text);
  const lines: string[] = [];
  for (const it of figures) lines.push(...portraitLines(it), '');
  for (const { name, outcome, says } of examination.looks) {
    const [style, word] = OUTCOMES[outcome];
    lines.push(`${paint(style, word.padEnd(7))} ${name.padEnd(14)} ${says}`);
  }
  lines.push('');
  for (const [code, findings] of groupBy(examination.findings, (it) => it.code))
    lines.push(...findingLines(code, findings, paint));
  lines.push(verdict(examination));
  return lines.join('\n');
}
