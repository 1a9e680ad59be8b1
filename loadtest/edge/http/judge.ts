/** Whether an answer is one that the document promises. */
import type { Api, Call } from './document.ts';
import type { ApiAnswer, ApiRequest } from './exchange.ts';
import { TENANT } from './ground.ts';

const PROBLEM = 'application/problem+json';
const LONG_PATH = 4_096;
const UPGRADE_ANSWERS = [101, 400, 403];
/** Of the whole server, for what is no call of the document any more. */
const ELSEWHERE = ['routeUnknown', 'methodNotAllowed'];

/** A sentence about what is wrong; null: it is as promised. */
export function faultOf(
  api: Api,
  call: Call,
  request: ApiRequest,
  answer: ApiAnswer,
): string | null {
  const { status, type, text } = answer;
  // Refused before it is read, by a limit of HTTP itself on all that stands before the body.
  if (status === 431 && request.path.length > LONG_PATH) return null;
  // Of the socket's protocol, which speaks in plain text, and not of the document.
  if ('upgrade' in request.headers && UPGRADE_ANSWERS.includes(status)) return null;
  if (status >= 500) return `it was answered ${status}: ${text.slice(0, 300)}`;
  let body: unknown = text;
  if (/json/.test(type)) {
    try {
      body = JSON.parse(text);
    } catch {
      return `the answer says it is ${type}, and is none: ${text.slice(0, 100)}`;
    }
  }
  if (status >= 400) {
    const code = (body as { code?: unknown } | null)?.code;
    if (type !== PROBLEM) return `${status} is answered with ${type || 'nothing'}, not a problem`;
    if ((body as { status?: unknown }).status !== status) return `the problem is not of ${status}`;
    const isElsewhere = request.isPathHostile && ELSEWHERE.includes(String(code));
    if (isElsewhere) return api.misfit('/components/schemas/Problem', body);
  }
  const mustBeRefused = request.credentials === 'none' || request.credentials === 'wrong';
  if (call.needsCredentials && mustBeRefused && ![401, 413].includes(status)) {
    return `without credentials it is answered ${status}, not 401`;
  }
  const { org = TENANT } = request.scene;
  if (request.credentials === 'tenant' && org !== TENANT && status < 300) {
    return `a key of ${TENANT} is answered ${status} about "${org}"`;
  }
  const promised = call.answers[status];
  if (promised === undefined) return `${status} is not in the document: ${text.slice(0, 300)}`;
  if (!(type in promised)) {
    // An answer without a body has no type.
    if (text === '' && Object.keys(promised).length === 0) return null;
    return `${status} is answered with "${type}", the document says ${Object.keys(promised)}`;
  }
  const pointer = promised[type];
  if (pointer === undefined || pointer === null || !/json/.test(type)) return null;
  const misfit = api.misfit(pointer, body);
  return misfit === null
    ? null
    : `${status} does not fit its schema: ${misfit}; ${text.slice(0, 300)}`;
}
