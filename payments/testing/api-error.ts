/** What Stripe answers instead of an object: https://docs.stripe.com/api/errors */

export type ErrorType = 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';

export interface ErrorBody {
  type: ErrorType;
  message: string;
  code?: string;
  decline_code?: string;
  param?: string;
  doc_url?: string;
  [more: string]: unknown;
}

export class ApiError extends Error {
  readonly status: number;
  readonly body: ErrorBody;
  /**
   * Whether the answer is kept under the idempotency key. Not when the parameters failed validation:
   * no endpoint began (https://docs.stripe.com/api/idempotent_requests).
   */
  readonly isSaved: boolean;

  constructor(status: number, body: ErrorBody, isSaved = true) {
    super(body.message);
    this.name = 'ApiError';
    this.status = status;
    this.isSaved = isSaved;
    this.body = body;
    if (body.code !== undefined) {
      body.doc_url = `https://stripe.com/docs/error-codes/${body.code.replaceAll('_', '-')}`;
    }
  }
}

/** A parameter that can't be right, whatever the state of the account. */
export function invalidParameter(param: string, code: string, message: string): ApiError {
  return new ApiError(400, { type: 'invalid_request_error', code, message, param }, false);
}

/** Right in itself, and refused by what is there. @param code null: Stripe says it in words alone */
export function refusal(
  code: string | null,
  message: string,
  more: Record<string, unknown> = {},
): ApiError {
  const body = { type: 'invalid_request_error', message, ...more } as const;
  return new ApiError(400, code === null ? body : { ...body, code });
}
