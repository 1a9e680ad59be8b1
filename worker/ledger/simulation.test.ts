/** Meter and ledger cores together on a virtual clock: what is decided, without its SQL. */
import { it } from 'vitest';
import { diceOf, randomOf, shrink } from '../../core/meter/schedule.ts';
import { type Coverage, count, simulate } from '../../core/meter/test-simulation.ts';
import { auditBooks } from './test-books-audit.ts';
import { BooksRun, type BooksStep, SESSIONS, WEIGHTS } from './test-books-run.ts';

function stepsOf(seed: number): BooksStep[] {
  const random = randomOf(seed);
  const kinds = Object.entries(WEIGHTS).flatMap(([kind, weight]) =>
    Array.from({ length: weight }, () => kind as BooksStep['kind']),
  );
  return Array.from({ length: 10 + Math.floor(random() * 31) }, () => ({
    kind: kinds[Math.floor(random() * kinds.length)]!,
    seed: Math.floor(random() * 2 ** 32),
  }));
}

async function run(seed: number, steps: BooksStep[], coverage: Coverage = {}): Promise<string[]> {
  const it = new BooksRun(diceOf(seed));
  try {
    await it.begin();
    for (const { kind, seed: own } of steps) {
      count(coverage, kind);
      await it.take(kind, diceOf(own));
    }
    for (const session of SESSIONS) await it.close(session);
    for (let i = 0; i < 2; i++) await it.settle(1_000);
    count(coverage, 'minutes settled', it.books.minutes.size);
    return await auditBooks(it);
  } catch (error) {
    return [String((error as Error).stack)];
  }
}

it('the ledger has exactly what the recorders were told', { timeout: 86_400_000 }, () =>
  simulate({
    ...{ name: 'ledger', schedules: 2_000, patienceMs: 6_000 },
    async run(seed, coverage) {
      const steps = stepsOf(seed);
      return { steps: steps.length, problems: await run(seed, steps, coverage) };
    },
    async shrink(seed) {
      const least = await shrink(
        stepsOf(seed),
        async (fewer) => (await run(seed, fewer)).length > 0,
      );
      const told = least.map(({ kind, seed: own }) => `${kind} ${own}`);
      return [`In ${least.length} steps:`, ...told, ...(await run(seed, least))];
    },
  }),
);
