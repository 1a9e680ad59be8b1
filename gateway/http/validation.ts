/** What zod found wrong with a request, as a problem a person can act on. */
import type { z } from '@hono/zod-openapi';
import { ProblemError } from './problem.ts';

type Issue = z.core.$ZodIssue;
type Target = 'json' | 'form' | 'query' | 'param' | 'header' | 'cookie';

const PLACES: Record<Target, string> = {
  json: 'The body does not fit',
  form: 'The form does not fit',
  query: 'The query does not fit',
  param: 'The path does not fit',
  header: 'The headers do not fit',
  cookie: 'The cookies do not fit',
};
const SHOWN_CHARACTERS = 60;
/** A body full of faults needs no book as an answer. */
const MAX_ERRORS = 20;

/** The value that was wrong, short enough to read. A header's is never shown: it may be secret. */
function shown(data: unknown, path: readonly PropertyKey[], target: Target): string {
  let value = data;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (value === undefined || target === 'header' || target === 'cookie') return '';
  const json = written(value);
  return `, not ${json.length <= SHOWN_CHARACTERS ? json : `${json.slice(0, SHOWN_CHARACTERS)}…`}`;
}

/** What is nested thousands deep can be read, and not be written again. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'something nested that deep';
  }
}

const TYPES: Partial<Record<string, string>> = {
  ...{ int: 'a whole number', object: 'an object', record: 'an object', array: 'a list' },
};
const THINGS: Partial<Record<string, string>> = { string: 'character', array: 'item' };

function amount(origin: string, how: string, bound: number | bigint): string {
  const thing = THINGS[origin];
  if (thing === undefined) return `must be ${how} ${bound}`;
  return `must have ${how} ${bound} ${thing}${Number(bound) === 1 ? '' : 's'}`;
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? `a ${issue.expected}`}`;
    case 'too_small':
      return amount(issue.origin, issue.inclusive === false ? 'above' : 'at least', issue.minimum);
    case 'too_big':
      return amount(issue.origin, issue.inclusive === false ? 'below' : 'at most', issue.maximum);
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'invalid_format':
      return issue.message.replace(/^Invalid /, 'must be a valid ');
    case 'invalid_union':
      return [...new Set(issue.errors.flat().map(expectation))].join(', or ');
    default:
      return issue.message;
  }
}

function flatten(issue: Issue): Issue[] {
  // A union reports every branch; the deepest got furthest and is what was meant.
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const branches = issue.errors.map((branch) =>
    branch.flatMap(flatten).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
  );
  const depth = (branch: Issue[]) => Math.max(0, ...branch.map((inner) => inner.path.length));
  const deepest = branches.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best));
  return depth(deepest) > issue.path.length ? deepest : [issue];
}

function describe(
  issue: Issue,
  data: unknown,
  target: Target,
): { pointer: string; detail: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: `/${[...issue.path, key].map(String).join('/')}`,
      detail: `"${key}" is not a field here`,
    }));
  }
  const pointer = issue.path.map((key) => `/${String(key)}`).join('');
  if (issue.code === 'invalid_key') {
    const name = JSON.stringify(issue.path.at(-1));
    return [{ pointer, detail: `${name} as a name ${issue.issues.map(expectation).join(', ')}` }];
  }
  const missing =
    pointer !== '' && shown(data, issue.path, target) === '' && issue.code === 'invalid_type';
  if (missing) return [{ pointer, detail: `is missing: it ${expectation(issue)}` }];
  return [{ pointer, detail: `${expectation(issue)}${shown(data, issue.path, target)}` }];
}

/** @param data what was checked; used only to show the value that was wrong */
export function invalidRequest(
  error: { issues: Issue[] },
  data: unknown,
  target: Target,
): ProblemError {
  const errors = error.issues
    .flatMap(flatten)
    .flatMap((issue) => describe(issue, data, target))
    .slice(0, MAX_ERRORS);
  const sentences = errors.map(({ pointer, detail }) => {
    const name = pointer.slice(1).replaceAll('/', '.');
    return detail.startsWith('"') || name === '' ? detail : `${name} ${detail}`;
  });
  return new ProblemError('invalid', `${PLACES[target]}: ${sentences.join('; ')}.`, {
    errors,
  });
}

/** The hook of every router: answers 422 by throwing. */
export function validationHook(result: {
  success: boolean;
  target: string;
  data?: unknown;
  error?: { issues: Issue[] };
}): void {
  if (!result.success && result.error !== undefined) {
    throw invalidRequest(result.error, result.data, result.target as Target);
  }
}
