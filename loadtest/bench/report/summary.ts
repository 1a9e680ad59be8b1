/** The result as a person sees it in the terminal. */
import pc from 'picocolors';
import { table } from '../../report/summary.ts';
import { type Figure, type Verdict, verdictOf } from '../outcome.ts';
import { TARGETS } from '../targets.ts';
import { type BenchReport, figuresOf, isGood } from './bench-report.ts';
import { spreadWords, targetWords, valueWords } from './figure-words.ts';

const COLOUR: Record<Verdict, (text: string) => string> = {
  met: pc.green,
  missed: pc.red,
  'not measured': pc.yellow,
  shown: pc.dim,
};

function figureLines(figures: readonly Figure[]): string[] {
  const rows = figures.map((figure) => [
    figure.target,
    TARGETS[figure.target] + (figure.name === '' ? '' : `, ${figure.name}`),
    ...[targetWords(figure), valueWords(figure), spreadWords(figure)],
    figure.rounds.length === 0 ? '–' : String(figure.rounds.length),
  ]);
  const head = ['', 'figure', 'target', 'measured', 'spread', 'rounds'];
  const widest = Math.max(...rows.map((row) => row[1]!.length), head[1]!.length);
  // Words to the left, figures to the right.
  const padded = [head, ...rows].map((row) => [row[0]!, row[1]!.padEnd(widest), ...row.slice(2)]);
  const [first = '', ...lines] = table(padded);
  return [
    pc.dim(first),
    ...lines.flatMap((line, i) => {
      const figure = figures[i]!;
      const verdict = verdictOf(figure);
      const note = figure.note === '' ? [] : [pc.dim(`      ${figure.note}`)];
      return [`${line}   ${COLOUR[verdict](verdict)}`, ...note];
    }),
  ];
}

export function summary(report: BenchReport): string {
  const { machine, ran, incidents } = report;
  const lines = [
    '',
    pc.bold(`Taximeter bench${report.isQuick ? ', quick' : ''}`),
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`,
    machine.pinning,
    '',
    ...figureLines(figuresOf(report)),
  ];
  for (const { outcome } of ran) {
    for (const { title, head, rows } of outcome.tables) {
      lines.push('', pc.bold(title), ...table([head, ...rows]));
    }
  }
  for (const incident of incidents) lines.push('', pc.red(incident));
  const missed = figuresOf(report).filter((it) => verdictOf(it) === 'missed').length;
  const verdict = isGood(report)
    ? pc.green('No target is missed.')
    : pc.red(missed > 0 ? `${missed} figures miss their target.` : 'Something went wrong.');
  return [...lines, '', pc.bold(verdict)].join('\n');
}
