/** One line of the table of docs/doctor.md: what can be wrong, and what to do. */

/** wrong: somebody's figures are. warning: they soon will be. note: nothing needs doing. */
export type Severity = 'wrong' | 'warning' | 'note';

export interface CodeEntry {
  severity: Severity;
  means: string;
  todo: string;
  /** whether --fix repairs it */
  isFixable: boolean;
}

export const FIX = 'Run "npm run doctor -- --fix".';
export const LOOK = 'It is never repaired by a program:';
export const entry = (severity: Severity, means: string, todo: string): CodeEntry => ({
  severity,
  means,
  todo,
  isFixable: todo.startsWith(FIX),
});
