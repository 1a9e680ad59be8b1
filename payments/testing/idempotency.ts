/** Idempotency keys: https://docs.stripe.com/api/idempotent_requests */
import { ApiError, invalidParameter } from './api-error.ts';

/** "after they're at least 24 hours old" they may be forgotten. */
const KEPT_MS = 24 * 3_600_000;
const KEY_CHARACTERS = 255;

export interface Answer {
  status: number;
  body: string;
  requestId: string;
}

interface Known {
  path: string;
  body: string;
  at: number;
  /** null: still being answered */
  answer: Answer | null;
}

export type Begun =
  | { kind: 'replay'; answer: Answer }
  /** One of both must be called. */
  | { kind: 'fresh'; save(answer: Answer): void; forget(): void };

export interface Idempotency {
  /** @throws ApiError 400 for another request under this key, 409 while the first one is answered */
  begin(key: string, path: string, body: string): Begun;
}

export function createIdempotency(nowMs: () => number): Idempotency {
  const all = new Map<string, Known>();
  const refuse = (message: string) => new ApiError(400, { type: 'idempotency_error', message });
  return {
    begin(key, path, body) {
      if (key.length > KEY_CHARACTERS) {
        const message = `Idempotency keys can have up to ${KEY_CHARACTERS} characters.`;
        throw invalidParameter('Idempotency-Key', 'parameter_invalid', message);
      }
      const known = all.get(key);
      if (known !== undefined && nowMs() - known.at < KEPT_MS) {
        if (known.path !== path) {
          throw refuse(
            `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${path}' vs '${known.path}'). Try using a key other than '${key}' if you meant to execute a different request.`,
          );
        }
        if (known.body !== body) {
          throw refuse(
            `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
          );
        }
        if (known.answer === null) {
          throw new ApiError(409, {
            type: 'idempotency_error',
            code: 'idempotency_key_in_use',
            message: `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`,
          });
        }
        return { kind: 'replay', answer: known.answer };
      }
      const fresh: Known = { path, body, at: nowMs(), answer: null };
      all.set(key, fresh);
      return {
        kind: 'fresh',
        save(answer) {
          fresh.answer = answer;
        },
        forget() {
          if (all.get(key) === fresh) all.delete(key);
        },
      };
    },
  };
}
