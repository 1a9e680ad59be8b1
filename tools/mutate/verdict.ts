/** What the tests said of each mutation. */
import type { Mutation } from './mutation.ts';
import { UNCHANGED, type Workplace } from './workplace.ts';

/** As vitest's JSON reporter writes it. */
export interface TestReport {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string; failureMessages?: string[] | null }[];
  }[];
}

export interface Verdict {
  name: string;
  rule: string;
  file: string;
  unguarded: string;
  /** red: a test noticed. survived: none did. broken: the mutation could not be tried. */
  result: 'red' | 'survived' | 'broken';
  /** tests that noticed, `file › title`; of a broken one, what is wrong */
  by: string[];
}

/** The mutation broke the script instead of the rule: nothing was tried. Of a module no test runs. */
const NOT_A_PROGRAM = /Error compiling script/;

interface Told {
  failed: string[];
  passed: string[];
  broken: string[];
}

function toldBy(report: TestReport, workplace: Workplace): Map<string, Told> {
  const told = new Map<string, Told>();
  for (const { name: path, message, assertionResults } of report.testResults) {
    const place = workplace.placeOf(path);
    if (place === null) continue;
    const of = told.get(place.name) ?? { failed: [], passed: [], broken: [] };
    told.set(place.name, of);
    if (assertionResults.length === 0) of.broken.push(`${place.file}: ${message ?? 'no test ran'}`);
    for (const { status, fullName, failureMessages } of assertionResults) {
      const title = `${place.file} › ${fullName}`;
      if (status === 'passed') of.passed.push(title);
      if (status !== 'failed') continue;
      const why = failureMessages?.join('\n') ?? '';
      if (NOT_A_PROGRAM.test(why)) of.broken.push(`${title}: ${why.slice(0, 300)}`);
      else of.failed.push(title);
    }
  }
  return told;
}

/**
 * Only tests that are green without any mutation notice one. A mutation that none of them notices is
 * broken, not survived, where others of its files are red as they are: nothing can be told of it.
 * @throws where no test ran on the project as it is
 */
export function judge(
  mutations: readonly Mutation[],
  report: TestReport,
  workplace: Workplace,
): Verdict[] {
  const told = toldBy(report, workplace);
  const unchanged = told.get(UNCHANGED);
  if (unchanged === undefined) throw new Error('No test ran on the project as it is.');
  const trouble = [...unchanged.failed, ...unchanged.broken];
  const green = new Set(unchanged.passed);
  return mutations.map(({ name, rule, file, unguarded, tests }) => {
    const mine = told.get(name) ?? { failed: [], passed: [], broken: ['no test ran'] };
    const noticed = mine.failed.filter((title) => green.has(title));
    const of = { name, rule, file, unguarded };
    if (mine.broken.length > 0) return { ...of, result: 'broken', by: mine.broken };
    if (noticed.length > 0) return { ...of, result: 'red', by: noticed };
    const red = trouble.filter((title) => tests.some((test) => title.startsWith(test)));
    if (red.length === 0) return { ...of, result: 'survived', by: [] };
    return {
      ...of,
      result: 'broken',
      by: red.map((title) => `red without any mutation: ${title}`),
    };
  });
}

export const isGood = (verdicts: readonly Verdict[]) =>
  verdicts.every(({ result }) => result === 'red');

/** One line a mutation; a survivor says what nobody guards. */
export function lineOf({ name, rule, file, unguarded, result, by }: Verdict): string {
  if (result === 'red') {
    const more = by.length > 1 ? ` and ${by.length - 1} more` : '';
    return `red       ${name} (${rule}): ${by[0]}${more}`;
  }
  if (result === 'broken') return `BROKEN    ${name} in ${file}: ${by.join('; ')}`;
  return `SURVIVED  ${name} (${rule}): nothing notices that ${unguarded}. See ${file}.`;
}
