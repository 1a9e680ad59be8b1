import type { Finding } from '../../worker/ledger/check/finding.ts';

/** One thing that was looked at. Unknown: it could not be, which is never the same as well. */
export interface Look {
  name: string;
  outcome: 'well' | 'found' | 'unknown';
  /** what was looked at and how much of it, or why it could not be */
  says: string;
  tookMs: number;
}

export interface Examination {
  looks: Look[];
  findings: Finding[];
}

export interface Seen {
  /** "12 shards", "3 queues": so that silence can be trusted */
  looked: string;
  findings: Finding[];
}

export interface Examiner {
  examination: Examination;
  look(name: string, run: () => Promise<Seen>): Promise<void>;
}

const SLOW_MS = 1_000;

/** The words of the innermost cause: what Postgres or Redis said. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const cause = error.cause === undefined ? '' : ` (${reasonOf(error.cause)})`;
  return `${error.message || error.name}${cause}`;
}

/** Carries looks out one after the other; one that fails is unknown, and the next one goes on. */
export function createExaminer(say: (line: string) => void): Examiner {
  const examination: Examination = { looks: [], findings: [] };
  return {
    examination,
    async look(name, run) {
      // What is quick needs no announcement.
      const slow = setTimeout(say, SLOW_MS, `looking at ${name} ...`);
      const startedAt = performance.now();
      const took = () => Math.round(performance.now() - startedAt);
      try {
        const { looked, findings } = await run();
        const outcome = findings.length === 0 ? 'well' : 'found';
        examination.looks.push({ name, outcome, says: looked, tookMs: took() });
        examination.findings.push(...findings);
      } catch (error) {
        const says = `unknown, since it could not be looked at: ${reasonOf(error)}`;
        examination.looks.push({ name, outcome: 'unknown', says, tookMs: took() });
      } finally {
        clearTimeout(slow);
      }
    },
  };
}

/** Notes need nothing done; what is unknown may hide anything. */
export function isWell({ looks, findings }: Examination): boolean {
  return (
    looks.every((it) => it.outcome !== 'unknown') && findings.every((it) => it.severity === 'note')
  );
}
