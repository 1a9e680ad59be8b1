/** Reads what the gateway answered: JSON, text, or a problem document. */
import { type CallName, type Problem, TaximeterProblem } from './problem-error.ts';
import { retryAfterMsOf } from './retry.ts';

export interface Answered {
  /** Parsed if it is JSON, else text; null for an empty one. */
  body: unknown;
  status: number;
  headers: Headers;
}

/** @throws TaximeterProblem for whatever is not 2xx, and for a 2xx that is not the API's */
export async function readAnswer(response: Response, call: CallName): Promise<Answered> {
  const { status, headers } = response;
  const text = await response.text();
  const retryAfterMs = retryAfterMsOf(headers.get('retry-after'), Date.now());
  const type = headers.get('content-type') ?? '';
  const parsed = /[/+]json\b/.test(type) ? parse(text) : undefined;
  if (!response.ok) throw new TaximeterProblem(problemOf(parsed, status), retryAfterMs, call);
  if (text === '') return { body: null, status, headers };
  if (/^text\/csv\b/.test(type)) return { body: text, status, headers };
  if (parsed !== undefined) return { body: parsed, status, headers };
  throw new TaximeterProblem(notOurs(502), retryAfterMs, call);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isProblem(body: unknown): body is Problem {
  if (typeof body !== 'object' || body === null) return false;
  const { code, detail } = body as Partial<Problem>;
  return typeof code === 'string' && typeof detail === 'string';
}

function problemOf(body: unknown, status: number): Problem {
  if (!isProblem(body)) return notOurs(status);
  // A proxy may have changed the status line, and a newer gateway the fields.
  const { title = '', actions } = body as Partial<Problem>;
  return { ...body, status, title, actions: Array.isArray(actions) ? actions : [] };
}

/** What stands between may answer in its own words: they are not repeated, they may say anything. */
function notOurs(status: number): Problem {
  return {
    type: 'about:blank',
    title: 'Unexpected answer',
    status,
    code: 'unexpected',
    detail:
      `What answered at this URL (with status ${status}) does not speak Taximeter’s API: ` +
      'see that `url` is a gateway’s and what stands between.',
    actions: [],
  };
}
