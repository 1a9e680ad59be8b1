import type { Case, TransportName } from './case.ts';
import { type CaseResult, runCase } from './run-case.ts';

/** Enough to be done in seconds, and few enough to leave the gateway time between them. */
const AT_ONCE = 32;

/** Runs all of them side by side against a gateway on this machine; the results in their order. */
export async function runCases(
  cases: readonly Case[],
  port: number,
  on: TransportName,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let next = 0;
  const runSome = async () => {
    while (next < cases.length) {
      const index = next;
      next += 1;
      results[index] = await runCase(cases[index]!, port, on);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runSome));
  return results;
}
