/** One call of the API. */
import type { Account } from './account.ts';
import type { Params } from './form-body.ts';

export interface Call {
  account: Account;
  /** What stands for `:id` in the path. */
  id: string;
  params: Params;
  /** With the page's key, which may do little and sees little. */
  isPublic: boolean;
}

export interface Route {
  method: 'GET' | 'POST' | 'DELETE';
  /** like `/v1/refunds/:id` */
  path: string;
  /** Names of parameters; another one is refused. */
  takes: readonly string[];
  /** Whether a page may call it with a publishable key. */
  isForPages?: boolean;
  /** @throws ApiError */
  answer(call: Call): object;
}
