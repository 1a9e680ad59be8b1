/** One request to the API, from its key to its answer. */
import Stripe from 'stripe';
import type { Account } from './account.ts';
import { ApiError } from './api-error.ts';
import { expand } from './expand.ts';
import type { Fault, Faults } from './faults.ts';
import { type Params, parseForm } from './form-body.ts';
import { type Answer, type Begun, createIdempotency } from './idempotency.ts';
import { allowOnly, list, text } from './parameters.ts';
import type { Route } from './route.ts';

/** Answers that say nothing began, so that a key is free for another try. */
const NOTHING_BEGAN: readonly number[] = [401, 403, 409, 429, 503];

export interface Request {
  method: string;
  path: string;
  /** what follows the question mark */
  query: string;
  headers: Readonly<Record<string, string | undefined>>;
  body: string;
}

/** null: the connection is cut instead. */
export type Response = { status: number; headers: Record<string, string>; body: string } | null;

/** What a test may look at afterwards. */
export interface Asked {
  method: string;
  path: string;
  params: Params;
  idempotencyKey: string | null;
  /** null: the answer was cut off */
  status: number | null;
  isReplay: boolean;
}

export interface Keys {
  secret: string;
  publishable: string;
}

interface Match {
  route: Route;
  id: string;
}

function matchRoute(routes: readonly Route[], method: string, path: string): Match | null {
  const parts = path.split('/');
  for (const route of routes) {
    const wanted = route.path.split('/');
    if (route.method !== method || wanted.length !== parts.length) continue;
    if (!wanted.every((part, i) => part === ':id' || part === parts[i])) continue;
    return { route, id: decodeURIComponent(parts[wanted.indexOf(':id')] ?? '') };
  }
  return null;
}

function keyOf(headers: Request['headers'], params: Params): string | null {
  const [scheme, value = ''] = (headers.authorization ?? '').split(' ');
  if (scheme === 'Bearer') return value;
  // As by curl: the key is the user, the password is empty.
  if (scheme === 'Basic') return Buffer.from(value, 'base64').toString().split(':')[0] ?? '';
  return text(params, 'key');
}

function unauthorized(message: string, code?: string): ApiError {
  const body = { type: 'invalid_request_error', message } as const;
  return new ApiError(401, code === undefined ? body : { ...body, code }, false);
}

/** @returns whether it is the page's key */
function checkKey(key: string | null, keys: Keys, route: Route | undefined): boolean {
  if (key === null || key === '') {
    throw unauthorized(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    );
  }
  if (key === keys.secret) return false;
  if (key !== keys.publishable) {
    throw unauthorized(`Invalid API Key provided: ${key.slice(0, 8)}****${key.slice(-4)}`);
  }
  if (route?.isForPages === true) return true;
  throw unauthorized(
    'This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.',
    'secret_key_required',
  );
}

function faultError({ error }: Fault): ApiError | null {
  if (error === undefined) return null;
  const { status, code, message = `Injected ${status}.` } = error;
  const type = error.type ?? (status === 402 ? 'card_error' : status >= 500 ? 'api_error' : null);
  const body = { type: type ?? 'invalid_request_error', message } as const;
  const isSaved = !NOTHING_BEGAN.includes(status);
  const known = code ?? (status === 429 ? 'rate_limit' : undefined);
  return new ApiError(status, known === undefined ? body : { ...body, code: known }, isSaved);
}

export interface Api {
  readonly asked: readonly Asked[];
  answer(request: Request): Promise<Response>;
}

export function createApi(
  account: Account,
  routes: readonly Route[],
  faults: Faults,
  keys: Keys,
): Api {
  const asked: Asked[] = [];
  const idempotency = createIdempotency(account.nowMs);

  /** All at once: no other request comes between. */
  function run({ route, id }: Match, params: Params, isPublic: boolean): string {
    allowOnly(params, route.takes);
    const paths = list(params, 'expand').map(String);
    const object = route.answer({ account, id, params, isPublic });
    return JSON.stringify(paths.length === 0 ? object : expand(account, object, paths), null, 2);
  }

  /** What it would have been answered, nobody hears. */
  function attempt(match: Match | null, params: Params, isPublic: boolean): void {
    try {
      if (match !== null) run(match, params, isPublic);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  function respond(answer: Answer, key: string | null, isReplay: boolean): Response {
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'request-id': isReplay ? account.newId('req') : answer.requestId,
      'stripe-version': Stripe.API_VERSION,
    };
    if (key !== null) {
      headers['idempotency-key'] = key;
      headers['original-request'] = answer.requestId;
    }
    if (isReplay) headers['idempotent-replayed'] = 'true';
    // A kept answer would only come again.
    if (answer.status >= 400 && ![409, 429, 503].includes(answer.status)) {
      headers['stripe-should-retry'] = 'false';
    }
    return { status: answer.status, headers, body: answer.body };
  }

  async function answer(request: Request): Promise<Response> {
    const { method, path, headers } = request;
    const params = method === 'GET' ? parseForm(request.query) : parseForm(request.body);
    const key = method === 'POST' ? (headers['idempotency-key'] ?? null) : null;
    const entry: Asked = {
      ...{ method, path, params, idempotencyKey: key },
      ...{ status: null, isReplay: false },
    };
    asked.push(entry);
    const requestId = account.newId('req');
    const fault = faults.take(method, path);
    if (fault?.cut === 'before') return null;
    let begun: Begun | null = null;
    let result: Answer;
    try {
      const match = matchRoute(routes, method, path);
      const isPublic = checkKey(keyOf(headers, params), keys, match?.route);
      delete params.key;
      const error = fault === null ? null : faultError(fault);
      if (error !== null && !error.isSaved) throw error;
      if (key !== null) begun = idempotency.begin(key, path, request.body);
      if (begun?.kind === 'replay') {
        entry.isReplay = true;
        entry.status = begun.answer.status;
        return respond(begun.answer, key, true);
      }
      if (fault?.delayMs !== undefined) await faults.wait(fault.delayMs);
      if (fault?.until !== undefined) await fault.until;
      if (error !== null) {
        if (fault?.done === 'now') attempt(match, params, isPublic);
        if (fault?.done === 'later') faults.keep(() => attempt(match, params, isPublic));
        throw error;
      }
      if (match === null) {
        const message = `Unrecognized request URL (${method}: ${path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`;
        throw new ApiError(404, { type: 'invalid_request_error', message }, false);
      }
      account.request = { id: requestId, idempotency_key: key };
      result = { status: 200, body: run(match, params, isPublic), requestId };
      if (begun?.kind === 'fresh') begun.save(result);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const body = { error: { ...error.body, request_log_url: `${account.baseUrl}/${requestId}` } };
      result = { status: error.status, body: JSON.stringify(body, null, 2), requestId };
      if (begun?.kind === 'fresh') {
        if (error.isSaved) begun.save(result);
        else begun.forget();
      }
    } finally {
      account.request = null;
    }
    if (fault?.answerDelayMs !== undefined) await faults.wait(fault.answerDelayMs);
    if (fault?.cut === 'after') return null;
    entry.status = result.status;
    return respond(result, key, false);
  }

  return { asked, answer };
}
